import path from "node:path";
import { datasetPath, idSource, silentTelemetry, systemClock, systemRandom } from "../../src/base/index.ts";
import { Datasets } from "../../src/datasets/index.ts";
import type { IngestOptions, IngestRecord, PushRequest } from "../../src/ingest/contract.ts";
import { engineConverter } from "../../src/ingest/convert/converter.ts";
import { Ingest } from "../../src/ingest/ingest.ts";
import { directoryStore, nodeDisk } from "../../src/storage/index.ts";
import { type OpenPool, openPool } from "../kit/engine-pool.ts";
import { type TestDatabase, tempDirectory, testDatabase } from "../kit/index.ts";

/** Ingest over real workers, a real database and datasets of its own. */
export interface OpenRoom extends AsyncDisposable {
  readonly pool: OpenPool;
  readonly database: TestDatabase;
  readonly datasets: Datasets;
  /** What every ingest of the room has told history. */
  readonly history: IngestRecord[];
  /** A folder for one more staging log. */
  stagingDirectory(): string;
  /** A started ingest; whoever opens it stops it. */
  open(changes?: Partial<IngestOptions>): Promise<Ingest>;
  /** A push of NDJSON into a dataset of its own, to be answered when committed. */
  request(text: string | Uint8Array, more?: Partial<PushRequest>): Promise<PushRequest>;
}

export async function openRoom(): Promise<OpenRoom> {
  const [pool, database, folder] = await Promise.all([openPool({ maxQueued: 500 }), testDatabase(), tempDirectory()]);
  const [clock, random] = [systemClock, systemRandom];
  const ids = idSource(clock, random);
  const datasets = new Datasets({
    store: directoryStore({ root: path.join(folder.path, "objects"), disk: nodeDisk, random }),
    sql: database.sql,
    slices: pool.pool,
    clock,
    random,
    telemetry: silentTelemetry,
    announce: async () => {},
  });
  const history: IngestRecord[] = [];
  let opened = 0;
  const stagingDirectory = () => path.join(pool.shared, `staging-${++opened}`);
  return {
    pool,
    database,
    datasets,
    history,
    stagingDirectory,
    async open(changes = {}) {
      const ingest = new Ingest({
        datasets,
        converter: engineConverter(pool.pool),
        parser: pool.pool,
        sql: database.sql,
        definition: async () => ({}),
        record: (record) => history.push(record),
        clock,
        random,
        ids,
        disk: nodeDisk,
        telemetry: silentTelemetry,
        directory: stagingDirectory(),
        pendingBytes: 1e9,
        commitIntervalMs: 50,
        workers: 2,
        ...changes,
      });
      await ingest.start();
      return ingest;
    },
    async request(text, more = {}) {
      const dataset = more.dataset ?? (await datasets.create(datasetPath(`test.set${++opened}`)));
      return {
        dataset,
        body: bodyOf(text),
        format: { kind: "ndjson" },
        encoding: "identity",
        ack: "committed",
        by: "owner",
        traceId: ids.traceId(),
        ...more,
      };
    },
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export async function* bodyOf(text: string | Uint8Array): AsyncIterable<Uint8Array> {
  yield typeof text === "string" ? new TextEncoder().encode(text) : text;
}
