import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { type Disk, datasetPath, instant, silentTelemetry, systemClock, systemRandom } from "../../src/base/index.ts";
import { Datasets } from "../../src/datasets/index.ts";
import { Identity, identityKinds, MasterKeys } from "../../src/identity/index.ts";
import { webRequest } from "../../src/ingest/generator/web-requests.ts";
import { datasetKind, lookupKind } from "../../src/resources/index.ts";
import { FirstStart } from "../../src/server/first-start.ts";
import { ownColumns } from "../../src/slices/index.ts";
import { nodeDisk } from "../../src/storage/index.ts";
import { eventRow, ingestRow, queryRow, taskRow } from "../../src/telemetry/system/rows.ts";
import { type OpenResources, openResources } from "../resources/open.ts";

const none = () => Promise.reject(new Error("no rows are read here"));

/** A start of a server on the same database, store and folder as every other of `open`. */
async function firstStart(open: OpenResources, disk: Disk = nodeDisk, example = false) {
  const resources = open.another();
  const masterKeys = new MasterKeys({
    file: path.join(open.folder, "master.key"),
    disk: nodeDisk,
    random: systemRandom,
  });
  await masterKeys.open();
  const identity = new Identity({ resources, masterKeys, clock: systemClock, random: systemRandom });
  const datasets = new Datasets({
    store: open.store,
    sql: open.database.sql,
    slices: { logicalHash: none, offsets: none },
    clock: systemClock,
    random: systemRandom,
    telemetry: silentTelemetry,
    announce: async () => {},
  });
  const ownerTokenFile = path.join(open.folder, "owner.token");
  const start = new FirstStart({ identity, resources, datasets, disk, ownerTokenFile, example });
  return { start, identity, resources, datasets, ownerTokenFile };
}

/** Fails the n-th of the operations that make the token's file durable. */
function failingDisk(at: number): Disk {
  let done = 0;
  const step = () => {
    if (done++ === at) throw new Error("the machine stopped");
  };
  return {
    ...nodeDisk,
    open: async (file, mode) => {
      step();
      const handle = await nodeDisk.open(file, mode);
      return {
        read: (position, length) => handle.read(position, length),
        truncate: (size) => handle.truncate(size),
        sizeBytes: () => handle.sizeBytes(),
        write: async (bytes, position) => {
          step();
          await handle.write(bytes, position);
        },
        sync: async () => {
          step();
          await handle.sync();
        },
        [Symbol.asyncDispose]: () => handle[Symbol.asyncDispose](),
      };
    },
    rename: async (from, to) => {
      step();
      await nodeDisk.rename(from, to);
    },
    syncDirectory: async (folder) => {
      step();
      await nodeDisk.syncDirectory(folder);
    },
  };
}

test("wherever the first start is cut off, the next one leaves an owner whose token works", async () => {
  await using open = await openResources([...identityKinds, lookupKind]);
  const steps = ["open", "write", "sync", "rename", "sync of the folder"];
  for (const at of steps.keys()) {
    const cut = await firstStart(open, failingDisk(at));
    await expect(cut.start.start()).rejects.toThrow("the machine stopped");
    expect(await open.database.sql`SELECT * FROM resources WHERE kind = 'User'`).toHaveLength(0);
  }
  const whole = await firstStart(open, failingDisk(steps.length));
  await whole.start.start();
  expect(statSync(whole.ownerTokenFile).mode & 0o777).toBe(0o600);
  const token = readFileSync(whole.ownerTokenFile, "utf8").trim();
  expect(await whole.identity.authenticate({ kind: "token", token })).toMatchObject({ user: "owner", isOwner: true });

  const second = await firstStart(open);
  await second.start.start();
  expect(readFileSync(second.ownerTokenFile, "utf8").trim()).toBe(token);
  expect(await second.identity.authenticate({ kind: "token", token })).toMatchObject({ user: "owner" });
  await Promise.all([whole, second].map(({ resources }) => resources.stop()));
});

test("the system's datasets and the example are made once, and what people changed stays", async () => {
  await using open = await openResources([...identityKinds, lookupKind]);
  const first = await firstStart(open, nodeDisk, true);
  await first.start.start();
  const names = async () => (await first.resources.list(datasetKind)).map(({ project, name }) => `${project}.${name}`);
  expect(await names()).toEqual([
    "example.requests",
    "example.requests_per_minute",
    "system.events",
    "system.ingests",
    "system.late_rows",
    "system.lookups",
    "system.queries",
    "system.tasks",
    "system.transform_runs",
  ]);
  const spec = { description: "changed by people" };
  await first.resources.apply({ kind: "Dataset", project: "example", name: "requests", spec }, { by: "owner" });
  const ids = (await first.datasets.list()).map(({ id }) => id);
  const second = await firstStart(open, nodeDisk, true);
  await second.start.start();
  expect((await second.datasets.list()).map(({ id }) => id)).toEqual(ids);
  expect(await second.resources.get(datasetKind, "example", "requests")).toMatchObject({ spec, generation: 2 });
});

test("what is declared can be asked before its first row, and has the columns that its rows will have", async () => {
  await using open = await openResources([...identityKinds, lookupKind]);
  const { start, datasets } = await firstStart(open, nodeDisk, true);
  await start.start();
  const columnsOf = async (name: string) => {
    const { schema } = await datasets.head((await datasets.get(datasetPath(name))).id);
    return ownColumns(schema ?? { fields: [] }).map((field) => field.name);
  };
  const told = {
    "system.queries": queryRow({
      queryId: "q",
      user: "u",
      origin: "http",
      sql: "",
      state: "failed",
      startedAt: instant(0),
      elapsedMs: 1,
      rows: null,
      errorCode: null,
      traceId: "t",
    }),
    "system.ingests": ingestRow({
      ingestId: "i",
      dataset: "a.b",
      user: "u",
      state: "committed",
      receivedAt: instant(0),
      elapsedMs: 1,
      format: "csv",
      bytes: 1,
      wireBytes: 1,
      rows: 1,
      quarantined: 0,
      firstOffset: 0,
      lastOffset: 0,
      errorCode: null,
      traceId: "t",
    }),
    "system.tasks": taskRow(event),
    "system.events": eventRow(event),
    "example.requests": webRequest(instant(0), systemRandom),
  };
  for (const [name, row] of Object.entries(told)) {
    expect(await columnsOf(name), name).toEqual(Object.keys(row).filter((member) => member !== "event_time"));
  }
});

const event = { position: 1, id: "e", at: instant(0), type: "task.changed", subject: "s", project: null, data: {} };
