import { datasetPath, MillraceError } from "../../../src/base/index.ts";
import { ask, noted, type Scene } from "./client.ts";

/** A client that declares, changes and deletes datasets at any server. */
export async function definer(scene: Scene, name: string, changes: number): Promise<void> {
  const { world, model } = scene;
  const chance = world.chance(name);
  const own = ["p.extra1", "p.extra2"];
  for (let at = 1; at <= changes && !scene.isOver; at++) {
    await world.scheduler.sleep(chance.spread(50, 6_000));
    const machine = chance.pick(world.machines);
    const path = chance.pick([...own, ...scene.paths]);
    if (own.includes(path) && chance.happens(0.3)) await remove(path);
    else await apply(path, `description ${name} ${at}`);

    async function apply(path: string, description: string): Promise<void> {
      const [project, dataset] = datasetPathOf(path);
      const expected = chance.happens(0.2) ? { expectedGeneration: chance.whole(0, 2) } : {};
      const input = { kind: "Dataset", project, name: dataset, spec: { description } };
      const what = `applies ${path} at ${machine.name}`;
      const work = () => ask(scene, machine, 20_000, (server) => server.door.apply(input, { by: name, ...expected }));
      const applied = await noted(scene, name, what, work, ({ outcome }) => outcome);
      if (applied === null) return;
      const { id, generation, spec } = applied.resource;
      model.defined(path, id, generation, JSON.stringify(spec));
    }

    async function remove(path: string): Promise<void> {
      const [project, dataset] = datasetPathOf(path);
      const what = `deletes ${path} at ${machine.name}`;
      const work = () =>
        ask(scene, machine, 20_000, async (server) => {
          const ref = await server.datasets.find(datasetPath(path));
          const known = ref === null ? null : model.dataset(ref.id, path);
          if (known !== null && known.deletion === "none") known.deletion = "asked";
          try {
            await server.door.delete({ kind: "Dataset", project, name: dataset }, { by: name });
          } catch (error) {
            if (error instanceof MillraceError && error.code === "dataset_not_found") return;
            throw error;
          }
          if (known !== null) known.deletion = "done";
        });
      await noted(scene, name, what, work);
    }
  }
}

function datasetPathOf(path: string): [string, string] {
  const { project, dataset } = datasetPath(path);
  return [project, dataset];
}
