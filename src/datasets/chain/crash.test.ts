import { afterAll, beforeAll, expect, test } from "vitest";
import type { Plan } from "../../../test/datasets/faults.ts";
import {
  commitBatch,
  commitOnce,
  type OpenDatasets,
  oneColumn,
  openDatasets,
  readRows,
} from "../../../test/datasets/open.ts";
import { type DatasetId, datasetPath } from "../../base/index.ts";
import { fieldFromDuckdb, ownColumns, schemaWith } from "../../slices/index.ts";

let open: OpenDatasets;
beforeAll(async () => {
  open = await openDatasets();
});
afterAll(() => open[Symbol.asyncDispose]());

let made = 0;
const wider = schemaWith([...ownColumns(oneColumn), fieldFromDuckdb("more", "INTEGER")]);
const first = { source: "log", position: 1, values: ["a", "b"] };
/** All that a commit can carry: a schema, rows, quarantined rows, a watermark. */
const full = { source: "log", position: 2, values: ["c", "d", "e"], quarantined: 2, schema: wider, watermarkMs: 1_000 };

async function dataset(): Promise<DatasetId> {
  const one = open.instance();
  const { id } = await one.datasets.create(datasetPath(`crash.set${++made}`));
  await commitBatch(open, one, id, first);
  return id;
}

async function stepsOfCommit(): Promise<readonly string[]> {
  const id = await dataset();
  const one = open.instance();
  const head = await one.datasets.head(id);
  one.faults.arm(null);
  await commitOnce(open, one, id, full, head);
  return [...one.faults.steps];
}

/** Runs a commit under a plan; whether it was acknowledged. */
async function attempt(id: DatasetId, plan: Plan): Promise<{ acknowledged: boolean; hit: boolean }> {
  const one = open.instance();
  const head = await one.datasets.head(id);
  one.faults.arm(plan);
  const outcome = await commitOnce(open, one, id, full, head).catch(() => null);
  // What a dead process returns, nobody hears.
  return { acknowledged: outcome?.outcome === "committed" && !one.faults.isDead, hit: one.faults.hasHit };
}

async function check(id: DatasetId, acknowledged: boolean): Promise<void> {
  const fresh = open.instance();
  const rows = await readRows(fresh, id);
  const isThere = rows.length > 2;
  expect(rows).toEqual(isThere ? ["a", "b", "c", "d", "e"] : ["a", "b"]);
  if (acknowledged) expect(isThere).toBe(true);
  const head = await fresh.datasets.head(id);
  expect(head.sourceState("log")?.value).toBe(isThere ? "2" : "1");
  expect(head.quarantined).toBe(isThere ? 2 : 0);
  // The one that failed tries again, and others go on.
  await commitBatch(open, fresh, id, full);
  await commitBatch(open, open.instance(), id, { source: "other", position: 1, values: ["f"] });
  expect(await readRows(open.instance(), id)).toEqual(["a", "b", "c", "d", "e", "f"]);
  const report = await fresh.datasets.verify(id, { level: "logical", signal: new AbortController().signal });
  expect(report).toMatchObject({ ok: true, rows: 6 });
}

test.each([
  { kind: "crash", moment: "before" },
  { kind: "crash", moment: "after" },
  { kind: "error", moment: "before" },
  { kind: "error", moment: "after" },
] as const)(
  "$kind $moment each operation of a commit: once or not at all, and once when told so",
  async (plan) => {
    const steps = await stepsOfCommit();
    // The protocol in short: slice, quarantine, two blocks with their log entries, and the index.
    expect(steps.filter((step) => step === "link")).toHaveLength(2);
    expect(steps.filter((step) => step === "sql")).toHaveLength(2);
    for (const at of steps.keys()) {
      const id = await dataset();
      const { acknowledged, hit } = await attempt(id, { at, ...plan });
      expect(hit, `step ${at} ${steps[at]}`).toBe(true);
      await check(id, acknowledged);
    }
  },
  120_000,
);

test("an answer that is lost is asked for again: the commit is acknowledged and is there once", async () => {
  const steps = await stepsOfCommit();
  const links = [...steps.keys()].filter((at) => steps[at] === "link");
  for (const link of links) {
    for (const at of [link, link + 1, link + 2]) {
      const id = await dataset();
      expect(await attempt(id, { at, moment: "after", kind: "error" }), `step ${at} ${steps[at]}`).toEqual({
        acknowledged: true,
        hit: true,
      });
      await check(id, true);
    }
  }
});

test("what fails behind the commit does not look like a failure", async () => {
  const steps = await stepsOfCommit();
  const lastLink = steps.lastIndexOf("link");
  const behind = [...steps.keys()].filter((at) => at > lastLink + 2);
  expect(behind.map((at) => steps[at])).toContain("sql");
  for (const at of behind) {
    const id = await dataset();
    expect((await attempt(id, { at, moment: "before", kind: "error" })).acknowledged, `step ${at}`).toBe(true);
    await check(id, true);
  }
});
