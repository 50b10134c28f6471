import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { until } from "../../test/kit/index.ts";
import { commonKinds, definitionsOf, type OpenResources, openResources } from "../../test/resources/open.ts";
import { datasetKind, type Kind, projectKind, type Resources, restoreDefinitions } from "./index.ts";

/** A kind that holds something confidential and goes with its dataset. */
const keyKind: Kind<{ dataset: string; hash: string }> = {
  kind: "Key",
  scope: "project",
  schema: z.strictObject({ dataset: z.string(), hash: z.string() }),
  internal: true,
  whenOwnerGoes: "go",
  owners: ({ project, spec }) => [{ kind: "Dataset", project, name: spec.dataset }],
};

const by = "anna";
const dataset = (name: string, spec: unknown = {}) => ({ kind: "Dataset", project: "web", name, spec });
const ref = (name: string) => ({ kind: "Dataset", project: "web", name });

let open: OpenResources;
let resources: Resources;
beforeAll(async () => {
  open = await openResources([keyKind]);
  resources = open.resources;
  await resources.start();
  await resources.apply({ kind: "Project", name: "web", spec: {} }, { by });
});
afterAll(() => open[Symbol.asyncDispose]());
beforeEach(() => {
  open.store.beforePut = null;
  open.store.afterPut = null;
});

async function mirrored(): Promise<{ key: string; text: string }[]> {
  const found = [];
  for await (const { key } of open.store.list("definitions/log/")) {
    found.push({ key, text: Buffer.from((await open.store.get(key)) ?? []).toString() });
  }
  return found;
}

describe("apply", () => {
  test("creates, leaves alone, updates", async () => {
    const input = { ...dataset("d1", { description: "one" }), labels: { team: "a" } };
    const created = await resources.apply(input, { by });
    expect(created).toMatchObject({ outcome: "created", resource: { generation: 1, updatedBy: by } });
    const repeated = await resources.apply({ ...dataset("d1", { description: "one" }) }, { by: "else" });
    expect(repeated).toEqual({ outcome: "unchanged", resource: created.resource });
    const changed = dataset("d1", { description: "two" });
    expect(await resources.diff(changed)).toEqual([{ path: "spec.description", before: "one", after: "two" }]);
    expect(await resources.apply(changed, { by })).toMatchObject({
      outcome: "updated",
      resource: { generation: 2, labels: { team: "a" }, id: created.resource.id },
    });
    expect(await resources.apply({ ...changed, labels: {} }, { by })).toMatchObject({ resource: { generation: 3 } });
  });

  test("a rehearsal tells what each change would do behind those before it, and does nothing", async () => {
    const position = await resources.position();
    const mirror = await mirrored();
    const before = await definitionsOf(open.database);
    const rehearsed = await resources.rehearse(async (changes) => [
      await changes.apply({ kind: "Project", name: "unborn", spec: {} }, { by }),
      await changes.apply({ ...dataset("d", { description: "one" }), project: "unborn" }, { by }),
      await changes.apply({ ...dataset("d", { description: "two" }), project: "unborn" }, { by }),
    ]);
    expect(rehearsed.map(({ outcome, resource }) => [outcome, resource.kind, resource.generation])).toEqual([
      ["created", "Project", 1],
      ["created", "Dataset", 1],
      ["updated", "Dataset", 2],
    ]);
    await expect(
      resources.rehearse((changes) => changes.apply({ ...dataset("d"), project: "unborn" }, { by })),
    ).rejects.toMatchObject({ code: "not_found" });
    expect([...(await definitionsOf(open.database))]).toEqual([...before]);
    expect([await resources.position(), await mirrored()]).toEqual([position, mirror]);
  });

  test("keeps to the generation that the caller saw", async () => {
    await resources.apply(dataset("d2"), { by, expectedGeneration: 0 });
    for (const expectedGeneration of [0, 2]) {
      await expect(
        resources.apply(dataset("d2", { description: "x" }), { by, expectedGeneration }),
      ).rejects.toMatchObject({ code: "precondition_failed" });
    }
    await expect(resources.delete(ref("d2"), { by, expectedGeneration: 7 })).rejects.toMatchObject({
      code: "precondition_failed",
    });
    await resources.delete(ref("d2"), { by, expectedGeneration: 1 });
    await expect(resources.delete(ref("d2"), { by })).rejects.toMatchObject({ code: "dataset_not_found" });
  });

  test("of many who make one name at once one makes it; of many who change a generation one does", async () => {
    const [one, other] = [resources, open.another()];
    const race = async (expectedGeneration: number) => {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 12 }, (_, i) =>
          (i % 2 === 0 ? one : other).apply(dataset("raced", { description: `${expectedGeneration}.${i}` }), {
            by,
            expectedGeneration,
          }),
        ),
      );
      const failures = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason.code] : []));
      expect(failures).toEqual(Array.from({ length: 11 }, () => "precondition_failed"));
    };
    await race(0);
    await race(1);
  });

  test("what it belongs to must be there, and members that cannot change do not", async () => {
    await expect(resources.apply({ ...dataset("d"), project: "none" }, { by })).rejects.toMatchObject({
      code: "not_found",
    });
    const source = { kind: "Source", project: "web", name: "s", spec: { type: "generator", dataset: "fed" } };
    await expect(resources.apply(source, { by })).rejects.toMatchObject({ code: "dataset_not_found" });
    await resources.apply(dataset("fed"), { by });
    await resources.apply(dataset("fed2"), { by });
    await resources.apply(source, { by });
    await expect(
      resources.apply({ ...source, spec: { ...source.spec, dataset: "fed2" } }, { by }),
    ).rejects.toMatchObject({ code: "bad_manifest" });
    await expect(resources.apply({ ...source, kind: "Sauce" }, { by })).rejects.toMatchObject({
      hint: 'Did you mean "Source"?',
    });
  });
});

describe("delete", () => {
  test("is refused while something belongs to it, and takes along what goes with it", async () => {
    await resources.apply({ kind: "Project", name: "shop", spec: {} }, { by });
    await resources.apply({ ...dataset("orders"), project: "shop" }, { by });
    const key = { kind: "Key", project: "shop", name: "k", spec: { dataset: "orders", hash: "h" } };
    await resources.apply(key, { by });
    const source = { kind: "Source", project: "shop", name: "s", spec: { type: "push", dataset: "orders" } };
    await resources.apply(source, { by });
    const orders = { kind: "Dataset", project: "shop", name: "orders" };
    const shop = { kind: "Project", project: null, name: "shop" };
    await expect(resources.delete(shop, { by })).rejects.toMatchObject({ code: "conflict" });
    await expect(resources.delete(orders, { by })).rejects.toMatchObject({ code: "conflict" });
    await resources.delete({ kind: "Source", project: "shop", name: "s" }, { by });
    await resources.delete(orders, { by });
    expect(await resources.get(keyKind, "shop", "k")).toBeNull();
    await resources.delete(shop, { by });
    const events = await open.bus.read({ after: 0, limit: 1_000, types: ["resource.deleted"] });
    expect(events.slice(-4).map((event) => event.subject)).toEqual([
      "Source/shop/s",
      "Key/shop/k",
      "Dataset/shop/orders",
      "Project/shop",
    ]);
    await resources.apply({ kind: "Project", name: "system", spec: {} }, { by });
    await expect(resources.delete({ kind: "Project", project: null, name: "system" }, { by })).rejects.toMatchObject({
      code: "conflict",
    });
  });

  test("never leaves something whose owner is gone, whoever is quicker", async () => {
    const other = open.another();
    for (let round = 0; round < 15; round++) {
      const project = `p${round}`;
      const gone = { kind: "Project", project: null, name: project };
      await resources.apply({ kind: "Project", name: project, spec: {} }, { by });
      const outcomes = await Promise.allSettled([
        resources.delete(gone, { by }),
        other.apply({ ...dataset("a"), project }, { by }),
        resources.apply({ ...dataset("b"), project }, { by }),
      ]);
      const left = await resources.list(datasetKind, { project });
      const there = await resources.get(projectKind, null, project);
      expect(left.length === 0 || there !== null).toBe(true);
      expect(outcomes[0].status).toBe(there === null ? "fulfilled" : "rejected");
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") expect(["conflict", "not_found"]).toContain(outcome.reason.code);
      }
    }
  });
});

describe("reading", () => {
  test("lists by label and page by page, in one order", async () => {
    await resources.apply({ kind: "Project", name: "many", spec: {} }, { by });
    await resources.change(async (changes) => {
      for (let i = 0; i < 25; i++) {
        const labels = { parity: i % 2 === 0 ? "even" : "odd" };
        await changes.apply({ ...dataset(`n${String(i).padStart(2, "0")}`), project: "many", labels }, { by });
      }
    });
    const names = (await resources.list(datasetKind, { project: "many" })).map((one) => one.name);
    expect(names).toEqual(Array.from({ length: 25 }, (_, i) => `n${String(i).padStart(2, "0")}`));
    expect(await resources.list(datasetKind, { project: "many", labels: { parity: "odd" } })).toHaveLength(12);
    const pages: string[] = [];
    for (let after: string | null = null; ; ) {
      const page: string[] = (await resources.list(datasetKind, { project: "many", after, limit: 7 })).map(
        (one) => one.name,
      );
      pages.push(...page);
      after = page.at(-1) ?? null;
      if (page.length < 7) break;
    }
    expect(pages).toEqual(names);
    const behind = await resources.list(datasetKind, { after: "many/n23", limit: 2 });
    expect(behind.map((one) => `${one.project}/${one.name}`)[0]).toBe("many/n24");
  });

  test("status is apart: it changes no generation and no mirror", async () => {
    await resources.apply(dataset("s1"), { by });
    const before = await mirrored();
    await resources.setStatus(ref("s1"), { datasetId: "did:odf:x" });
    expect(await resources.get(datasetKind, "web", "s1")).toMatchObject({
      generation: 1,
      status: { datasetId: "did:odf:x" },
    });
    expect(await mirrored()).toEqual(before);
    await expect(resources.setStatus(ref("none"), {})).rejects.toMatchObject({ code: "not_found" });
  });

  test("listeners hear a change before its apply resolves, and those of another server", async () => {
    const heard: string[] = [];
    const end = resources.watch((changed) => heard.push(...changed.map((one) => one.name)));
    await resources.apply(dataset("heard-own"), { by });
    expect(heard).toContain("heard-own");
    const from = await resources.position();
    await open.bus.start();
    await open.another().apply(dataset("heard-other"), { by });
    await until("the other server's change is heard", () => heard.includes("heard-other"));
    end();
    expect(await resources.changesAfter(from)).toMatchObject({ changed: [ref("heard-other")] });
  });
});

describe("the mirror", () => {
  test("holds each change in the order of events, and events tell no confidential spec", async () => {
    await resources.apply(dataset("m1"), { by });
    await resources.apply({ kind: "Key", project: "web", name: "k", spec: { dataset: "m1", hash: "c0ffee" } }, { by });
    const events = await open.bus.read({ after: 0, limit: 10_000, types: ["resource.applied", "resource.deleted"] });
    const objects = await mirrored();
    expect(objects.map(({ key }) => Number(key.slice(-17, -5)))).toEqual(events.map((event) => event.position));
    expect(objects.map(({ text }) => JSON.parse(text).change.name)).toEqual(
      events.map((event) => z.object({ name: z.string() }).parse(event.data).name),
    );
    expect(JSON.stringify(events)).not.toContain("c0ffee");
    expect(objects.at(-1)?.text).toContain("c0ffee");
    // A change is told when its object is there, and its row goes behind that.
    await until("nothing waits for its copy", async () => {
      return (await open.database.sql`SELECT * FROM resource_changes`).length === 0;
    });
  });

  test("while the store is down an apply is unavailable, yet made; a repetition waits for the copy, which follows", async () => {
    const impatient = open.another({ mirrorWaitMs: 20 });
    open.store.beforePut = () => {
      throw new Error("the store is down");
    };
    await expect(impatient.apply(dataset("m2", { description: "x" }), { by })).rejects.toMatchObject({
      code: "unavailable",
    });
    expect(await resources.get(datasetKind, "web", "m2")).toMatchObject({ generation: 1 });
    await expect(impatient.apply(dataset("m2", { description: "x" }), { by })).rejects.toMatchObject({
      code: "unavailable",
    });
    expect((await mirrored()).some(({ text }) => text.includes('"m2"'))).toBe(false);
    open.store.beforePut = null;
    await until("the copy follows by itself", async () => (await mirrored()).some(({ text }) => text.includes('"m2"')));
    expect(await impatient.apply(dataset("m2", { description: "x" }), { by })).toMatchObject({ outcome: "unchanged" });
  });

  test("is completed after a crash anywhere between the database's commit and the mirror's progress", async () => {
    for (const crash of ["before the object", "after the object"]) {
      const name = `crashed-${crash === "before the object" ? "b" : "a"}`;
      const dying = open.another({ mirrorWaitMs: 20 });
      const fail = () => {
        throw new Error("killed");
      };
      if (crash === "before the object") open.store.beforePut = fail;
      else open.store.afterPut = fail;
      await expect(dying.apply(dataset(name), { by })).rejects.toMatchObject({ code: "unavailable" });
      await dying.stop();
      open.store.beforePut = null;
      open.store.afterPut = null;
      await open.another().start();
      expect((await mirrored()).filter(({ text }) => text.includes(`"${name}"`))).toHaveLength(1);
      expect(await open.database.sql`SELECT * FROM resource_changes`).toHaveLength(0);
    }
  });

  test("of a server that is gone, or was told that its commit failed, is found by one that runs", async () => {
    await using own = await openResources();
    const looking = own.another({ mirrorLookMs: 20 });
    await looking.start(); // completes what is there; what comes later it has to look for
    await own.database
      .sql`INSERT INTO resource_changes (position, address, body) VALUES (7, 'web/d', '{"kind":"Dataset"}')`;
    await until("it is copied", async () => (await own.store.get("definitions/log/000000000007.json")) !== null);
    await until("it is let go", async () => (await own.database.sql`SELECT * FROM resource_changes`).length === 0);
    await looking.stop();
  });

  test("two servers at once leave one whole mirror", async () => {
    const servers = [resources, open.another(), open.another()];
    await Promise.all(
      servers.flatMap((server, s) =>
        Array.from({ length: 15 }, (_, i) => server.apply(dataset(`both-${s}-${i}`), { by })),
      ),
    );
    const events = await open.bus.read({ after: 0, limit: 10_000, types: ["resource.applied", "resource.deleted"] });
    expect((await mirrored()).map(({ key }) => Number(key.slice(-17, -5)))).toEqual(events.map((one) => one.position));
  });
});

describe("restore", () => {
  test("into an empty database only, unless asked; and a database that lost its definitions does not start", async () => {
    await using own = await openResources();
    await own.resources.apply({ kind: "Project", name: "web", spec: {} }, { by });
    await own.resources.apply(dataset("a"), { by });
    const { store, database } = own;
    await expect(restoreDefinitions({ store, sql: database.sql })).rejects.toMatchObject({ code: "conflict" });
    const before = [...(await definitionsOf(database))];
    expect(await restoreDefinitions({ store, sql: database.sql, replace: true })).toEqual({ restored: 2 });
    expect([...(await definitionsOf(database))]).toEqual(before);
    await database.sql`TRUNCATE resources, resource_changes, mirror_progress, events RESTART IDENTITY`;
    await expect(own.another().start()).rejects.toMatchObject({ code: "conflict" });
    await expect(own.another().apply({ kind: "Project", name: "x", spec: {} }, { by })).rejects.toMatchObject({
      code: "conflict",
    });
    expect((await own.restored()).resources).toBeDefined();
  });

  test("a name made anew is the new one, however long its history", async () => {
    await using own = await openResources();
    await own.resources.apply({ kind: "Project", name: "web", spec: {} }, { by });
    await own.resources.apply(dataset("a", { description: "old" }), { by });
    await own.resources.change(async (changes) => {
      for (let i = 0; i < 150; i++) await changes.apply(dataset("b", { description: `${i}` }), { by });
      await changes.delete(ref("a"), { by });
      await changes.apply(dataset("a", { description: "new" }), { by });
    });
    const again = await own.restored();
    expect([...(await definitionsOf(again.database))]).toEqual([...(await definitionsOf(own.database))]);
  });

  test("any history comes back whole, goes on without overwriting, and comes back again", async () => {
    const step = fc.record({
      project: fc.constantFrom("p1", "p2"),
      name: fc.constantFrom("a", "b", "c", "d"),
      what: fc.constantFrom("apply", "apply", "apply", "label", "delete", "deleteProject"),
      text: fc.string({ unit: "grapheme", maxLength: 8 }).filter((text) => !text.includes("\0")),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.array(step, { maxLength: 10 }), async (first, second) => {
        await using own = await openResources();
        const run = async (on: Resources, steps: typeof first) => {
          for (const { project, name, what, text } of steps) {
            await on.apply({ kind: "Project", name: project, spec: {} }, { by });
            const input = { kind: "Dataset", project, name, spec: { description: text } };
            const done =
              what === "deleteProject"
                ? on.delete({ kind: "Project", project: null, name: project }, { by })
                : what === "delete"
                  ? on.delete({ kind: "Dataset", project, name }, { by })
                  : on.apply(what === "label" ? { ...input, labels: { text } } : input, { by });
            await done.catch((error: unknown) => {
              expect(error).toMatchObject({ code: expect.stringMatching(/^(dataset_not_found|conflict)$/) });
            });
          }
        };
        await run(own.resources, first);
        const again = await own.restored();
        expect([...(await definitionsOf(again.database))]).toEqual([...(await definitionsOf(own.database))]);
        await again.resources.start();
        await run(again.resources, second);
        const third = await own.restored();
        expect([...(await definitionsOf(third.database))]).toEqual([...(await definitionsOf(again.database))]);
      }),
      { numRuns: 12 },
    );
  }, 120_000);
});

test("kinds have distinct names", () => {
  expect(new Set(commonKinds.map((kind) => kind.kind)).size).toBe(commonKinds.length);
});
