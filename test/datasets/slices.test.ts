import { copyFile, stat } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type DatasetId,
  datasetPath,
  idSource,
  instant,
  type Logger,
  silentTelemetry,
  systemClock,
  systemRandom,
} from "../../src/base/index.ts";
import { relationSql } from "../../src/compiler/index.ts";
import { type AsOf, Datasets } from "../../src/datasets/index.ts";
import { engineConverter, Ingest } from "../../src/ingest/index.ts";
import { duckdbType, fieldFromDuckdb, multihash, schemaWith } from "../../src/slices/index.ts";
import { directoryStore, nodeDisk } from "../../src/storage/index.ts";
import { type OpenPool, openPool } from "../kit/engine-pool.ts";
import { type TestDatabase, testDatabase } from "../kit/index.ts";

/** Chains over real Parquet slices, written and read by real workers. */
const ids = idSource(systemClock, systemRandom);
const signal = AbortSignal.timeout(60_000);
let pool: OpenPool;
let database: TestDatabase;
let objects: string;
beforeAll(async () => {
  [pool, database] = await Promise.all([openPool({ maxQueued: 500 }), testDatabase()]);
  objects = path.join(pool.shared, "objects");
});
afterAll(async () => {
  await pool[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** A server's view of the one store. */
function openServer(): Datasets {
  return new Datasets({
    store: directoryStore({ root: objects, disk: nodeDisk, random: systemRandom }),
    sql: database.sql,
    slices: pool.pool,
    clock: systemClock,
    random: systemRandom,
    telemetry: silentTelemetry,
    announce: async () => {},
  });
}

const run = (sql: string) =>
  pool.pool.script({ traceId: ids.traceId(), label: "test", statements: [{ sql, rows: true }] }, signal);

type Columns = readonly (readonly [name: string, type: string])[];
let written = 0;

/** Commits the rows of a SELECT under a schema of these columns. */
async function append(datasets: Datasets, id: DatasetId, columns: Columns, select: string): Promise<void> {
  const head = await datasets.head(id);
  const localPath = path.join(pool.shared, `slice-${++written}.parquet`);
  await run(`COPY (SELECT CAST(${head.nextOffset} + row_number() OVER () - 1 AS UBIGINT) AS "offset", 0::UTINYINT AS op,
    TIMESTAMPTZ '2030-01-01' AS system_time, TIMESTAMPTZ '2030-01-01' AS event_time, * FROM (${select}))
    TO '${localPath}' (FORMAT parquet)`);
  const [hashes, { rows }] = [await pool.pool.hashes(localPath, signal), await pool.pool.offsets(localPath, signal)];
  const outcome = await datasets.commit(id, {
    expectedSeq: head.seq,
    schema: schemaWith(columns.map(([name, type]) => fieldFromDuckdb(name, type))),
    data: {
      localPath,
      rows,
      sizeBytes: (await stat(localPath)).size,
      physicalHash: multihash(hashes.physicalHash),
      logicalHash: multihash(hashes.logicalHash),
      statistics: await pool.pool.columnStatistics(localPath, signal),
    },
    sourceState: { sourceName: "test", kind: "test", value: String(written) },
    systemTime: instant(Date.parse("2030-01-01")),
    by: "test",
  });
  expect(outcome.outcome).toBe("committed");
}

/** The dataset's own columns at a point, each slice read with the schema that it was written with. */
async function readAt(datasets: Datasets, id: DatasetId, asOf?: AsOf): Promise<unknown> {
  const { schema, schemas, slices } = await datasets.snapshot(id, asOf);
  const typed = (one: typeof schema) =>
    (one?.fields ?? []).map((field) => ({ name: field.name, type: duckdbType(field) }));
  await using files = await datasets.openSlices(id, slices);
  const groups = slices.map((slice, index) => ({
    paths: [files.paths[index] ?? ""],
    columns: typed(schemas[slice.schemaVersion - 1]?.schema ?? null),
  }));
  const columns = typed(schema).slice(4);
  const names = columns.map((column) => `"${column.name}"`).join(", ");
  const types = columns.map((column) => `typeof("${column.name}")`).join(", ");
  const [found] = await run(
    `SELECT array_agg([${names.replaceAll(/("\w+")/g, "$1::VARCHAR")}] ORDER BY "offset")::VARCHAR AS rows, any_value([${types}])::VARCHAR AS types FROM (${relationSql(typed(schema), groups)})`,
  );
  return found?.[0];
}

test("a schema that grows and widens: old slices are read under the new one, and under their own in the past", async () => {
  const datasets = openServer();
  const { id } = await datasets.create(datasetPath("slices.evolving"));
  await append(
    datasets,
    id,
    [
      ["a", "SMALLINT"],
      ["b", "VARCHAR"],
    ],
    "SELECT 1::SMALLINT AS a, 'x' AS b",
  );
  await append(
    datasets,
    id,
    [
      ["a", "BIGINT"],
      ["b", "VARCHAR"],
      ["c", "DATE"],
    ],
    "SELECT 5000000000 AS a, 'y' AS b, DATE '2030-01-02' AS c",
  );
  await append(
    datasets,
    id,
    [
      ["a", "DOUBLE"],
      ["b", "VARCHAR"],
      ["c", "TIMESTAMP"],
      ["d", "INTEGER[]"],
    ],
    "SELECT 0.5::DOUBLE AS a, NULL::VARCHAR AS b, TIMESTAMP '2030-01-03 04:05:06' AS c, [1, 2] AS d",
  );
  expect(await readAt(openServer(), id)).toEqual({
    rows: "[[1.0, x, NULL, NULL], [5000000000.0, y, '2030-01-02 00:00:00', NULL], [0.5, NULL, '2030-01-03 04:05:06', '[1, 2]']]",
    types: "[DOUBLE, VARCHAR, TIMESTAMP, 'INTEGER[]']",
  });
  expect(await readAt(datasets, id, { kind: "offset", offset: 1 })).toEqual({
    rows: "[[1, x, NULL], [5000000000, y, 2030-01-02]]",
    types: "[BIGINT, VARCHAR, DATE]",
  });
  expect(await readAt(datasets, id, { kind: "version", seq: 2 })).toEqual({
    rows: "[[1, x]]",
    types: "[SMALLINT, VARCHAR]",
  });
  expect(await openServer().verify(id, { level: "logical", signal })).toMatchObject({ ok: true, slices: 3, rows: 3 });
});

test.each([
  ["a column that is gone", [["b", "VARCHAR"]]],
  [
    "a narrower type",
    [
      ["a", "SMALLINT"],
      ["b", "VARCHAR"],
    ],
  ],
  [
    "another type",
    [
      ["a", "DATE"],
      ["b", "VARCHAR"],
    ],
  ],
  [
    "another order",
    [
      ["b", "VARCHAR"],
      ["a", "INTEGER"],
    ],
  ],
  [
    "a name that differs by case only",
    [
      ["a", "INTEGER"],
      ["b", "VARCHAR"],
      ["B", "VARCHAR"],
    ],
  ],
] satisfies [string, Columns][])(
  "a schema with %s is refused, and nothing of it is committed",
  async (_what, columns) => {
    const datasets = openServer();
    const { id } = await datasets.create(datasetPath(`slices.refused${++written}`));
    await append(
      datasets,
      id,
      [
        ["a", "INTEGER"],
        ["b", "VARCHAR"],
      ],
      "SELECT 1 AS a, 'x' AS b",
    );
    const select = columns.map(([name, type]) => `CAST(NULL AS ${type}) AS "${name}${name === "B" ? "2" : ""}"`);
    await expect(append(datasets, id, columns, `SELECT ${select.join(", ")}`)).rejects.toMatchObject({
      code: "chain_broken",
    });
    expect(await openServer().head(id)).toMatchObject({ seq: 2, rows: 1 });
  },
);

test("rows that were changed are found by their logical hash, also where every byte hash is right", async () => {
  const datasets = openServer();
  const { id } = await datasets.create(datasetPath("slices.changed"));
  await append(datasets, id, [["a", "INTEGER"]], "SELECT i::INTEGER AS a FROM range(1000) t(i)");
  const [slice] = (await datasets.snapshot(id)).slices;
  const committed = await datasets.block(id, slice?.firstSeq ?? -1);
  if (slice === undefined || committed?.block.event.kind !== "AddData") return expect.fail("no rows");
  const { newData } = committed.block.event;
  const object = `datasets/${id.slice("did:odf:".length)}/data/${slice.hash}`;
  const lying = path.join(pool.shared, "lying.parquet");
  await run(
    `COPY (SELECT * REPLACE (if(a = 500, 501, a) AS a) FROM read_parquet('${path.join(objects, object)}')) TO '${lying}' (FORMAT parquet)`,
  );
  const { physicalHash } = await pool.pool.hashes(lying, signal);
  const { id: forged } = await datasets.create(datasetPath("slices.forged"));
  await datasets.commit(forged, {
    expectedSeq: 0,
    schema: schemaWith([fieldFromDuckdb("a", "INTEGER")]),
    data: {
      localPath: lying,
      rows: 1000,
      sizeBytes: (await stat(lying)).size,
      physicalHash: multihash(physicalHash),
      logicalHash: newData?.logicalHash ?? multihash(physicalHash),
      statistics: [],
    },
    sourceState: { sourceName: "test", kind: "test", value: "1" },
    systemTime: instant(0),
    by: "test",
  });
  expect(await datasets.verify(forged, { level: "physical", signal })).toMatchObject({ ok: true });
  expect((await datasets.verify(forged, { level: "logical", signal })).broken).toEqual({
    object: `datasets/${forged.slice("did:odf:".length)}/data/${physicalHash}`,
    reason: "its rows are not those that its logical hash says",
  });
  // And a slice that is no Parquet file any more, of the right size, is told before anybody parses it.
  await copyFile(path.join(objects, `datasets/${forged.slice("did:odf:".length)}/data/${physicalHash}`), lying);
  expect(await datasets.verify(id, { level: "logical", signal })).toMatchObject({ ok: true });
});

test("two servers push to one dataset: a batch that loses the race is written again, and nothing is lost", async () => {
  const complaints: string[] = [];
  const complain = (message: string, fields: unknown) => complaints.push(`${message} ${JSON.stringify(fields)}`);
  const log: Logger = { ...silentTelemetry.log, warn: complain, error: complain, child: () => log };
  const servers = [0, 1].map((index) => {
    const datasets = openServer();
    const ingest = new Ingest({
      datasets,
      converter: engineConverter(pool.pool),
      parser: pool.pool,
      sql: database.sql,
      definition: async () => ({}),
      record: () => {},
      clock: systemClock,
      random: systemRandom,
      ids,
      disk: nodeDisk,
      telemetry: { ...silentTelemetry, log },
      directory: path.join(pool.shared, `staging-${index}`),
      pendingBytes: 1e9,
      commitIntervalMs: 20,
      workers: 2,
    });
    return { datasets, ingest };
  });
  const [first] = servers;
  if (first === undefined) return;
  for (const { ingest } of servers) await ingest.start();
  const dataset = await first.datasets.create(datasetPath("slices.raced"));
  async function* body(text: string) {
    yield new TextEncoder().encode(text);
  }
  const pushes = servers.map(async ({ ingest }, server) => {
    for (let i = 0; i < 12; i++) {
      const receipt = await ingest.push(
        {
          dataset,
          body: body(`{"server":${server},"i":${i}}\nnot a record\n`),
          format: { kind: "ndjson" },
          encoding: "identity",
          ack: "committed",
          by: "test",
          traceId: ids.traceId(),
        },
        signal,
      );
      expect(receipt).toMatchObject({ state: "committed", rows: 1, quarantined: 1 });
    }
  });
  await Promise.all(pushes);
  for (const { ingest } of servers) await ingest.stop();
  // Losing is no failure, which would be retried later and from the start.
  expect(complaints).toEqual([]);
  const datasets = openServer();
  expect(await datasets.head(dataset.id)).toMatchObject({ rows: 24, quarantined: 24 });
  expect(await datasets.verify(dataset.id, { level: "logical", signal })).toMatchObject({ ok: true, rows: 24 });
}, 60_000);
