import { datasetPath } from "../../../src/base/index.ts";
import { ask, noted, type Scene } from "./client.ts";

const silent = () => {};

/** An operator who has chains packed, compacted, superseded and collected, at any server, in any order, with hardly any patience. */
export async function keeper(scene: Scene, name: string): Promise<void> {
  const { world } = scene;
  const chance = world.chance(name);
  while (!scene.isOver) {
    await world.scheduler.sleep(chance.spread(100, 8_000));
    const machine = chance.pick(world.machines);
    const path = chance.pick(scene.paths);
    const work = chance.pick(["compact", "supersede", "delete outdated", "collect", "pack", "verify"] as const);
    const keptMs = chance.pick([0, 1_000, 10_000]);
    const keep = () =>
      ask(scene, machine, 60_000, async ({ datasets }, signal): Promise<unknown> => {
        const { id } = await datasets.get(datasetPath(path));
        const { layouts } = datasets;
        switch (work) {
          case "compact":
            return await layouts.compact(id, signal, silent);
          case "supersede":
            return await layouts.supersede(id, keptMs, signal, silent);
          case "delete outdated":
            return await layouts.deleteOutdated(id, signal);
          case "collect":
            return await layouts.collect(id, keptMs, signal, silent);
          case "pack":
            return await datasets.upkeep(id, signal);
          case "verify":
            return await datasets.verify(id, { level: "logical", signal });
        }
      });
    await noted(scene, name, `has ${path} kept at ${machine.name}: ${work}`, keep, (done) => JSON.stringify(done));
  }
}
