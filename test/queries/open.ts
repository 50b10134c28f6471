import path from "node:path";
import {
  type Clock,
  type DatasetPath,
  datasetName,
  type Instant,
  idSource,
  instant,
  type ProjectName,
  projectName,
  silentTelemetry,
  systemClock,
  systemRandom,
  type TraceId,
  userName,
} from "../../src/base/index.ts";
import { Datasets, type DatasetsOptions } from "../../src/datasets/index.ts";
import type { Engine, RoleOptions } from "../../src/engines/index.ts";
import type { Principal } from "../../src/identity/index.ts";
import {
  keptLimits,
  Queries,
  type QueriesOptions,
  type QueryRecord,
  type QueryRequest,
  type QueryResult,
} from "../../src/queries/index.ts";
import { fieldFromDuckdb, multihash, retractsField, schemaWith } from "../../src/slices/index.ts";
import { nodeDisk } from "../../src/storage/index.ts";
import { type OpenIdentity, openIdentity } from "../identity/open.ts";
import { type OpenPool, openPool } from "../kit/engine-pool.ts";

export interface OpenQueries extends AsyncDisposable {
  readonly queries: Queries;
  readonly identity: OpenIdentity;
  readonly datasets: Datasets;
  readonly pool: OpenPool;
  readonly owner: Principal;
  /** A user without any right, with a token. */
  readonly guest: Principal;
  /** Every ended query, oldest first. */
  readonly records: QueryRecord[];
  /** Datasets in the order in which they were flushed. */
  readonly flushed: string[];
  /** Other queries on the same rooms. */
  another(changes?: Partial<QueriesOptions>): Queries;
  /**
   * Commits rows: columns by name and type, values as SQL; `ops` where they are not all 0. A column `event_time` is the rows' own, whose
   * greatest is the commit's watermark. A column `retracts` makes it a
   * changelog. Makes the dataset where it is absent.
   */
  commit(
    path: DatasetPath,
    columns: Readonly<Record<string, string>>,
    rows: readonly (readonly string[])[],
    ops?: readonly number[],
    at?: Instant,
  ): Promise<void>;
}

export const web: ProjectName = projectName("web");
export const pathOf = (dataset: string): DatasetPath => ({ project: web, dataset: datasetName(dataset) });
const never = new AbortController().signal;

export const requestOf = (sql: string, principal: Principal, more: Partial<QueryRequest> = {}): QueryRequest => ({
  sql,
  parameters: [],
  format: "json",
  rowLimit: null,
  timeoutMs: null,
  principal,
  traceId: "t" as TraceId, // any text serves
  origin: "test",
  ...more,
});

/** The rows of a short result, which it frees. */
export async function rowsOf(result: QueryResult | Promise<QueryResult>): Promise<unknown> {
  await using held = await result;
  if (held.body.kind !== "inline") throw new Error("the result is long");
  return JSON.parse(Buffer.from(held.body.bytes).toString()).rows;
}

/** Queries over real datasets, workers and identity. */
export async function openQueries(
  clock: Clock = systemClock,
  announce: DatasetsOptions["announce"] = async () => {},
  workers: Partial<RoleOptions> = {},
): Promise<OpenQueries> {
  const held = new AsyncDisposableStack();
  const identity = held.use(await openIdentity());
  const work = path.join(identity.open.folder, "work");
  await nodeDisk.makeDirectory(work);
  const pool = held.use(
    await openPool({ directories: [path.join(identity.open.folder, "objects"), work], ...workers }),
  );
  const ids = idSource(systemClock, systemRandom);
  const datasets = new Datasets({
    store: identity.open.store,
    sql: identity.open.database.sql,
    slices: pool.pool,
    clock: systemClock,
    random: systemRandom,
    telemetry: silentTelemetry,
    announce,
    copies: { worker: pool.pool, disk: nodeDisk, directory: identity.open.folder },
  });
  const name = userName("guest");
  await identity.identity.createUser({ name }, identity.owner.user);
  const { token } = await identity.identity.createToken(
    { user: name, label: "test", scopes: ["read"] },
    identity.owner.user,
  );
  const guest = await identity.identity.authenticate({ kind: "token", token });
  const records: QueryRecord[] = [];
  const flushed: string[] = [];
  const engine: Engine = pool.pool;
  const another = (changes: Partial<QueriesOptions> = {}) => {
    const queries = new Queries({
      engine,
      datasets,
      identity: identity.identity,
      definer: { define: async () => Promise.reject(new Error("nothing is defined here")) },
      flusher: { flush: async (id) => void flushed.push(id) },
      record: (record) => records.push(record),
      clock,
      ids,
      telemetry: silentTelemetry,
      timeoutMs: 20_000,
      resultBytes: 1e9,
      kept: keptLimits,
      ...changes,
    });
    held.defer(() => queries.stop());
    return queries;
  };
  return {
    queries: another(),
    identity,
    datasets,
    pool,
    owner: identity.owner,
    guest,
    records,
    flushed,
    another,
    async commit(path, columns, rows, ops = [], at = systemClock.now()) {
      const { id } = (await datasets.find(path)) ?? (await datasets.create(path));
      await commitRows(pool.pool, work, datasets, id, columns, rows, ops, at);
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

let slices = 0;

async function commitRows(
  pool: OpenPool["pool"],
  work: string,
  datasets: Datasets,
  id: Parameters<Datasets["commit"]>[0],
  columns: Readonly<Record<string, string>>,
  rows: readonly (readonly string[])[],
  ops: readonly number[],
  systemTime: Instant,
): Promise<void> {
  const head = await datasets.head(id);
  const file = path.join(work, `slice-${slices++}.parquet`);
  const selects = rows.map((row, index) => {
    const all = Object.entries(columns).map(
      ([name, type], at) => [name, `CAST(${row[at] ?? "NULL"} AS ${type}) AS "${name}"`] as const,
    );
    const time = all.find(([name]) => name === "event_time")?.[1] ?? "make_timestamptz(1) AS event_time";
    const values = all.filter(([name]) => name !== "event_time").map(([, value]) => value);
    const own = [
      `${head.nextOffset + index}::UBIGINT AS "offset"`,
      `${ops[index] ?? 0}::UTINYINT AS op`,
      "make_timestamptz(2) AS system_time",
    ];
    return `SELECT ${[...own, time, ...values].join(", ")}`;
  });
  const sql = `COPY (${selects.join(" UNION ALL ")}) TO '${file}' (FORMAT parquet)`;
  await pool.script({ traceId: "t" as TraceId, label: "slice", statements: [{ sql }] }, never);
  const [hashes, statistics] = [await pool.hashes(file, never), await pool.columnStatistics(file, never)];
  const named = Object.entries(columns).filter(([name]) => name !== "event_time");
  const schema = schemaWith(
    named.map(([name, type]) => (name === retractsField.name ? retractsField : fieldFromDuckdb(name, type))),
  );
  const latest = statistics.find(({ column }) => column === "event_time")?.max ?? null;
  const isNew = JSON.stringify(head.schema) !== JSON.stringify(schema);
  const { outcome } = await datasets.commit(id, {
    expectedSeq: head.seq,
    ...(isNew ? { schema } : {}),
    data: {
      localPath: file,
      rows: rows.length,
      sizeBytes: hashes.sizeBytes,
      physicalHash: multihash(hashes.physicalHash),
      logicalHash: multihash(hashes.logicalHash),
      statistics,
    },
    ...("event_time" in columns && latest !== null
      ? { watermark: instant(Date.parse(latest.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00"))) }
      : {}),
    sourceState: { sourceName: "test", kind: "test", value: String(head.seq) },
    systemTime,
    by: "test",
  });
  if (outcome !== "committed") throw new Error(`the commit was ${outcome}`);
}
