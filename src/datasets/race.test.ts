import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { commitBatch, type Instance, type OpenDatasets, openDatasets, readRows } from "../../test/datasets/open.ts";
import { type DatasetId, datasetPath } from "../base/index.ts";

let open: OpenDatasets;
beforeAll(async () => {
  open = await openDatasets();
});
afterAll(() => open[Symbol.asyncDispose]());

const signal = new AbortController().signal;

/** Each value once, each writer's in its order, the chain one line. */
async function expectAll(id: DatasetId, writers: readonly string[], commits: number): Promise<void> {
  const one = open.instance();
  const rows = await readRows(one, id);
  for (const writer of writers) {
    const own = rows.filter((row) => row.startsWith(`${writer}.`));
    expect(own).toEqual(Array.from({ length: commits }, (_, i) => `${writer}.${i + 1}`));
  }
  expect(rows).toHaveLength(writers.length * commits);
  expect(await one.datasets.verify(id, { level: "logical", signal })).toMatchObject({ ok: true, rows: rows.length });
}

async function write(one: Instance, id: DatasetId, writer: string, commits: number): Promise<void> {
  for (let position = 1; position <= commits; position++)
    await commitBatch(open, one, id, { source: writer, position, values: [`${writer}.${position}`] });
}

test("six writers on two servers: no row is lost, none comes twice", async () => {
  const servers = [open.instance(), open.instance()];
  const [first] = servers;
  if (first === undefined) return;
  const { id } = await first.datasets.create(datasetPath("race.servers"));
  const writers = ["a", "b", "c", "d", "e", "f"];
  await Promise.all(writers.map((writer, index) => write(servers[index % 2] ?? first, id, writer, 12)));
  await expectAll(id, writers, 12);
  // Two servers that set the same schema at the same moment write one block, and both may tell of it.
  const announced = new Set(servers.flatMap((one) => one.news).map((news) => news.seq));
  expect([...announced].toSorted((a, b) => a - b)).toEqual(Array.from({ length: announced.size }, (_, i) => i));
});

test("two processes write at once: no row is lost, none comes twice", async () => {
  const { id } = await open.instance().datasets.create(datasetPath("race.processes"));
  const program = path.resolve(import.meta.dirname, "../../test/datasets/writer-process.ts");
  const writers = ["p", "q"];
  const ended = writers.map(async (writer) => {
    const args = [program, open.root, open.work, open.database.url, id, writer, "40"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
    const [code] = await once(child, "exit");
    expect(code).toBe(0);
  });
  await Promise.all(ended);
  await expectAll(id, writers, 40);
});

test("readers beside writers see a growing prefix", async () => {
  const [writer, reader] = [open.instance(), open.instance()];
  const { id } = await writer.datasets.create(datasetPath("race.readers"));
  let isWriting = true;
  const writing = write(writer, id, "w", 25).finally(() => {
    isWriting = false;
  });
  let before: string[] = [];
  while (isWriting) {
    const now = await readRows(reader, id);
    expect(now.slice(0, before.length)).toEqual(before);
    before = now;
  }
  await writing;
  await expectAll(id, ["w"], 25);
});
