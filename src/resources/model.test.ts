import fc from "fast-check";
import { expect, test } from "vitest";
import { definitionsOf, openResources } from "../../test/resources/open.ts";
import { seededRandom } from "../base/index.ts";
import { datasetKind, type Resources } from "./index.ts";

const by = "anna";

interface Known {
  readonly generation: number;
  readonly description: string;
  readonly labels: Readonly<Record<string, string>>;
}

const command = fc.record({
  name: fc.constantFrom("a", "b", "c"),
  what: fc.constantFrom("apply", "apply", "label", "dry", "delete"),
  description: fc.constantFrom("x", "y"),
  expected: fc.option(fc.nat(4), { nil: undefined, freq: 2 }),
  server: fc.nat(1),
});

test("every answer is what a model of generations says, whichever server is asked", async () => {
  await using open = await openResources();
  const servers: readonly Resources[] = [open.resources, open.another()];
  let project = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
      const where = `p${project++}`;
      await open.resources.apply({ kind: "Project", name: where, spec: {} }, { by });
      const model = new Map<string, Known>();
      for (const { name, what, description, expected, server } of commands) {
        const resources = servers[server] ?? open.resources;
        const before = model.get(name);
        const options = { by, ...(expected === undefined ? {} : { expectedGeneration: expected }) };
        const seen = expected === undefined || expected === (before?.generation ?? 0);
        if (what === "delete") {
          const outcome = await resources.delete({ kind: "Dataset", project: where, name }, options).then(
            () => "deleted",
            (error) => error.code,
          );
          expect(outcome).toBe(before === undefined ? "dataset_not_found" : seen ? "deleted" : "precondition_failed");
          if (outcome === "deleted") model.delete(name);
          continue;
        }
        const labels = what === "label" ? { description } : (before?.labels ?? {});
        const input = {
          kind: "Dataset",
          project: where,
          name,
          spec: { description },
          ...(what === "label" ? { labels } : {}),
        };
        const asked =
          what === "dry"
            ? resources.rehearse((changes) => changes.apply(input, options))
            : resources.apply(input, options);
        const answer = await asked.then(
          ({ outcome, resource }) => ({ outcome, generation: resource.generation }),
          (error) => error.code,
        );
        const unchanged =
          before?.description === description && JSON.stringify(before.labels) === JSON.stringify(labels);
        const generation = (before?.generation ?? 0) + (unchanged ? 0 : 1);
        const outcome = before === undefined ? "created" : unchanged ? "unchanged" : "updated";
        expect(answer).toEqual(seen ? { outcome, generation } : "precondition_failed");
        if (seen && what !== "dry") model.set(name, { generation, description, labels });
      }
      const left = await open.resources.list(datasetKind, { project: where });
      expect(left.map(({ name, generation, labels, spec }) => [name, { generation, labels, ...spec }])).toEqual(
        [...model].sort(([a], [b]) => (a < b ? -1 : 1)),
      );
    }),
    { numRuns: 60 },
  );
}, 120_000);

test("with a store that fails at random and servers that die at random, the mirror ends whole and in order", async () => {
  for (const seed of [1, 2, 3, 4]) {
    await using open = await openResources();
    const random = seededRandom(seed);
    await open.resources.apply({ kind: "Project", name: "web", spec: {} }, { by });
    const chance = (share: number) => {
      if (random.float() < share) throw new Error("the store failed");
    };
    open.store.beforePut = () => chance(0.2);
    open.store.afterPut = () => chance(0.2);
    for (let round = 0; round < 8; round++) {
      const [one, other] = [open.another({ mirrorWaitMs: 30 }), open.another({ mirrorWaitMs: 30 })];
      const asked = Array.from({ length: 12 }, (_, i) => {
        const input = { kind: "Dataset", project: "web", name: `d${i % 4}`, spec: { description: `${round}.${i}` } };
        return (i % 2 === 0 ? one : other).apply(input, { by });
      });
      const dying = one.stop();
      for (const answer of await Promise.allSettled(asked)) {
        if (answer.status === "rejected") expect(answer.reason, `seed ${seed}`).toMatchObject({ code: "unavailable" });
      }
      await dying;
      await other.stop();
    }
    open.store.beforePut = null;
    open.store.afterPut = null;
    await open.another().start();
    const events = await open.bus.read({ after: 0, limit: 10_000, types: ["resource.applied", "resource.deleted"] });
    const keys: number[] = [];
    for await (const { key } of open.store.list("definitions/log/")) keys.push(Number(key.slice(-17, -5)));
    expect(keys, `seed ${seed}`).toEqual(events.map((event) => event.position));
    expect(events.length).toBeGreaterThan(8 * 12);
    const restored = await open.restored();
    expect([...(await definitionsOf(restored.database))], `seed ${seed}`).toEqual([
      ...(await definitionsOf(open.database)),
    ]);
  }
}, 120_000);
