import type { Disk } from "../../../src/base/index.ts";
import { type DatasetId, datasetPath, MillraceError } from "../../../src/base/index.ts";
import type { AsOf } from "../../../src/datasets/index.ts";
import { type SliceRow, sliceRows } from "../world/rows.ts";
import type { Server } from "../world/server.ts";
import { ask, noted, type Scene } from "./client.ts";
import { Violation } from "./model.ts";

/** A client that reads datasets at any server, now and in their past. */
export async function reader(scene: Scene, name: string): Promise<void> {
  const { world, model } = scene;
  const chance = world.chance(name);
  while (!scene.isOver) {
    await world.scheduler.sleep(chance.spread(100, 10_000));
    const machine = chance.pick(world.machines);
    const path = chance.pick(scene.paths);
    const what = `reads ${path} at ${machine.name}`;
    const look = () =>
      ask(scene, machine, 30_000, async (server, signal) => {
        const ref = await server.datasets.get(datasetPath(path));
        const { committedTo } = model.dataset(ref.id, path);
        if (chance.happens(0.3)) await server.ingest.flush(ref.id, signal);
        const disk = world.diskOf(machine);
        const rows = await readAll(server, disk, ref.id);
        model.read(ref.id, rows, committedTo);
        if (chance.happens(0.3)) await lookBack(server, disk, ref.id, chance.whole(0, rows.length));
        return rows.length;
      });
    await noted(scene, name, what, look, (count) => `${count} rows`);
  }

  /** A version of the past: the same rows, fewer of them. */
  async function lookBack(server: Server, disk: Disk, id: DatasetId, offset: number): Promise<void> {
    try {
      model.read(id, await readAll(server, disk, id, { kind: "offset", offset }), Math.min(offset, 0));
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== "version_not_found") throw error;
    }
  }
}

/** All rows of a version, from its slices. */
export async function readAll(server: Server, disk: Disk, id: DatasetId, asOf?: AsOf): Promise<SliceRow[]> {
  for (let left = mostLooks - 1; ; left--) {
    try {
      return await readOnce(server, disk, id, asOf);
    } catch (error) {
      // A compaction has taken the place of files that were about to be read: they are looked up again.
      if (!isGone(error)) throw error;
      // Nothing expires here, so that each time it was another compaction: they do not come that fast.
      if (left === 0) throw new Violation(`a reader was told ${mostLooks} times that files of its rows are gone`);
      await server.datasets.refresh(id);
    }
  }
}

const mostLooks = 6;

function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "data_expired" || error.code === "ENOENT");
}

async function readOnce(server: Server, disk: Disk, id: DatasetId, asOf?: AsOf): Promise<SliceRow[]> {
  const snapshot = await server.datasets.snapshot(id, asOf);
  await using open = await server.datasets.openSlices(id, snapshot.slices);
  const rows: SliceRow[] = [];
  for (const path of open.paths) rows.push(...sliceRows(await disk.readFile(path)));
  // The last file may reach beyond the version.
  return rows.filter((row) => row.offset < snapshot.rows);
}
