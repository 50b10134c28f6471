import { z } from "zod";
import { type DatasetId, type Instant, instant, type TraceId } from "../base/index.ts";
import { blockToJson, type Datasets } from "../datasets/index.ts";
import type { Engine } from "../engines/index.ts";
import type { DatasetDoor } from "../gateway/index.ts";
import { retrySource } from "../ingest/index.ts";
import type { Transforms } from "../streams/index.ts";
import type { LayoutTasks } from "./layout-tasks.ts";
import { taskView } from "./views.ts";

const quarantineRow = z.object({
  reason: z.string(),
  column: z.string().nullable(),
  rows: z.coerce.number(),
  first_line: z.coerce.number().nullable(),
  last_at: z.coerce.number().nullable(),
  sample: z.string().nullable(),
});

const fileRow = quarantineRow.pick({ reason: true, column: true, rows: true }).extend({ file: z.string() });

/** Datasets as the API shows them. */
export function datasetsDoor(
  datasets: Datasets,
  engine: Engine,
  layouts: LayoutTasks,
  transforms: Transforms,
): DatasetDoor {
  return {
    find: (path) => datasets.find(path),
    list: (project, { after, limit }) => datasets.list(project, after === null ? { limit } : { after, limit }),
    async head(id, signal) {
      const head = await datasets.figures(id, signal);
      return { ...head, block: head.block ?? "", lastCommitAt: head.systemTime };
    },
    transform: (id) => transforms.state(id),
    progress: (id, signal) => transforms.progress(id, signal),
    columns: (id, signal) => transforms.columns(id, signal),
    readers: (id) => transforms.readersOf(id),
    async slices(id, signal) {
      const { slices } = await datasets.snapshot(id, undefined, signal);
      return slices.map((slice) => ({ ...slice, seq: slice.lastSeq }));
    },
    async blocks(id, page, signal) {
      const to = page.before === null ? Number.MAX_SAFE_INTEGER : page.before - 1;
      const found = [];
      for await (const { seq, hash, block } of datasets.blocks(id, { from: 0, to, newestFirst: true }, signal)) {
        found.push({ seq, hash, block: blockToJson(block) });
        if (found.length >= page.limit) break;
      }
      return found;
    },
    transferObject: (id, part, hash, signal) => datasets.transfer.find(id, part, hash, signal),
    transferRegion: (id, block, signal) => datasets.transfer.region(id, block, signal),
    transferCopy: (id, name) => datasets.transfer.copy(id, name),
    quarantine: (id, limit, signal) => quarantineReasons(datasets, engine, id, limit, signal),
    maintain: async (ref, work) => taskView(await (work === "compact" ? layouts.compact(ref) : layouts.collect(ref))),
    verify: (ref, options) => verify(datasets, transforms, ref, options),
  };
}

/** What the chain names; and at the level `rebuild`, that each run of its transform makes the same rows again. */
async function verify(
  datasets: Datasets,
  transforms: Transforms,
  ref: Parameters<DatasetDoor["verify"]>[0],
  { level, signal, progress }: Parameters<DatasetDoor["verify"]>[1],
): ReturnType<DatasetDoor["verify"]> {
  const deepest = level === "rebuild" ? "logical" : level;
  const report = await datasets.verify(ref.id, { level: deepest, signal, progress });
  if (level !== "rebuild" || !report.ok) return { ...report, rebuilt: null };
  const { runs, expired, different } = await transforms.rebuild(ref, signal, progress);
  return { ...report, ok: different === null, broken: different, rebuilt: { runs, expired } };
}

async function quarantineReasons(
  datasets: Datasets,
  engine: Engine,
  id: DatasetId,
  limit: number,
  signal: AbortSignal,
) {
  const head = await datasets.head(id, signal);
  const quarantines = await datasets.quarantines(id, head.seq, signal);
  if (quarantines.length === 0) return [];
  await using open = await datasets.openSlices(id, quarantines, signal);
  const files = open.paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(", ");
  const sql = `SELECT reason, column_name AS "column", count(*) AS rows, min(line) AS first_line, epoch_ms(max(received_at)) AS last_at, left(any_value(raw), 1000) AS sample
    FROM read_parquet([${files}]) GROUP BY ALL ORDER BY rows DESC LIMIT ${Math.trunc(limit)}`;
  const filesSql = `SELECT filename AS file, reason, column_name AS "column", count(*) AS rows FROM read_parquet([${files}], filename = true) GROUP BY ALL`;
  const statements = [sql, filesSql].map((text) => ({ sql: text, rows: true }));
  const script = { traceId: "" as TraceId, label: "quarantine reasons", statements };
  const [rows, byFile] = await engine.script(script, signal);
  const hashes = new Map(open.paths.map((path, at) => [path, quarantines[at]?.hash ?? ""]));
  const retried = new Map<string, number>();
  for (const row of z.array(fileRow).parse(byFile ?? [])) {
    if (head.sourceState(retrySource(hashes.get(row.file) ?? "", row.reason)) === null) continue;
    const key = keyOf(row);
    retried.set(key, (retried.get(key) ?? 0) + row.rows);
  }
  return z
    .array(quarantineRow)
    .parse(rows ?? [])
    .map((row) => ({
      reason: row.reason,
      column: row.column,
      rows: row.rows,
      retried: retried.get(keyOf(row)) ?? 0,
      firstLine: row.first_line,
      lastReceivedAt: at(row.last_at),
      sample: row.sample,
    }));
}

function at(milliseconds: number | null): Instant | null {
  return milliseconds === null ? null : instant(milliseconds);
}

function keyOf({ reason, column }: { readonly reason: string; readonly column: string | null }): string {
  return JSON.stringify([reason, column]);
}
