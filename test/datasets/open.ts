import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { type DatasetId, instant, type Logger, silentTelemetry, systemRandom } from "../../src/base/index.ts";
import {
  type CommitNews,
  type CommitOutcome,
  type CopyOptions,
  Datasets,
  type LayoutSizes,
  type SliceReader,
  type Snapshot,
} from "../../src/datasets/index.ts";
import { type DataSchema, fieldFromDuckdb, schemaWith, sha3Multihash } from "../../src/slices/index.ts";
import { directoryStore, nodeDisk, type ObjectStore, type Sql } from "../../src/storage/index.ts";
import { type FakeClock, fakeClock, type TestDatabase, tempDirectory, testDatabase } from "../kit/index.ts";
import { Faults, faultyDisk, faultySql } from "./faults.ts";
import { logicalHash, textCopies } from "./text-copies.ts";

export interface Instance {
  readonly datasets: Datasets;
  readonly store: ObjectStore;
  readonly faults: Faults;
  readonly news: CommitNews[];
}

export interface InstanceOptions {
  readonly cacheBytes?: number;
  readonly slices?: SliceReader;
  readonly layout?: LayoutSizes;
  /** Stands between the server and its store. */
  readonly between?: (store: ObjectStore) => ObjectStore;
  /** Packs and checkpoints behind its commits; otherwise only when it is told to. */
  readonly keepsUp?: boolean;
  readonly copies?: Partial<CopyOptions>;
  readonly checkFormat?: () => Promise<void>;
}

/** One object store and one database, and any number of servers on them. */
export interface Servers {
  readonly root: string;
  readonly work: string;
  readonly clock: FakeClock;
  readonly errors: string[];
  /** A server of its own: its caches, its faults. */
  instance(options?: InstanceOptions): Instance;
}

export interface OpenDatasets extends Servers, AsyncDisposable {
  readonly database: TestDatabase;
}

/** In folders and a database of the test's own. */
export async function openDatasets(): Promise<OpenDatasets> {
  const [folder, database] = await Promise.all([tempDirectory(), testDatabase()]);
  const work = path.join(folder.path, "work");
  await mkdir(work);
  return {
    ...openOn({ root: path.join(folder.path, "objects"), work, sql: database.sql }),
    database,
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const asIs = (store: ObjectStore) => store;

export function openOn({ root, work, sql }: { root: string; work: string; sql: Sql }): Servers {
  const clock = fakeClock();
  const errors: string[] = [];
  const log: Logger = { ...silentTelemetry.log, child: () => log, error: (message) => errors.push(message) };
  return {
    root,
    work,
    clock,
    errors,
    instance({ slices = textSlices, between = asIs, keepsUp = false, copies, ...given } = {}) {
      const faults = new Faults();
      const store = between(directoryStore({ root, disk: faultyDisk(nodeDisk, faults), random: systemRandom }));
      const news: CommitNews[] = [];
      const datasets = new Datasets({
        store,
        sql: faultySql(sql, faults),
        slices,
        clock,
        random: systemRandom,
        telemetry: { ...silentTelemetry, log },
        copies: { worker: textCopies, disk: nodeDisk, directory: work, graceMs: 0, ...copies },
        announce: async (one) => {
          if (faults.hanging.includes("announce")) await new Promise(() => {});
          news.push(one);
        },
        ...given,
        keepsUp,
      });
      return { datasets, store, faults, news };
    },
  };
}

/** Slices as lines of `offset value`, so that thousands are cheap: to this room a slice is a file with two hashes. */
export const textSlices: SliceReader = {
  async logicalHash(file) {
    return logicalHash(await readFile(file, "utf8"));
  },
  async offsets(file) {
    const offsets = rowsOf(await readFile(file, "utf8")).map((row) => row.offset);
    const gapFree = offsets.every((offset, index) => offset === (offsets[0] ?? 0) + index);
    return { rows: offsets.length, first: offsets[0] ?? null, gapFree };
  },
};

function rowsOf(text: string): { offset: number; value: string }[] {
  const lines = text.split("\n").filter((line) => line !== "" && line !== "copy");
  return lines.map((line) => ({
    offset: Number(line.slice(0, line.indexOf(" "))),
    value: line.slice(line.indexOf(" ") + 1),
  }));
}

export interface Batch {
  readonly source: string;
  /** Grows with each batch of the source. */
  readonly position: number;
  readonly values: readonly string[];
  readonly quarantined?: number;
  readonly schema?: DataSchema;
  readonly watermarkMs?: number;
}

export const oneColumn = schemaWith([fieldFromDuckdb("value", "VARCHAR")]);

/** Numbers of the files of this process: racing writers never share one. */
let files = 0;

/** Commits a batch at the head as it was read: once, whatever becomes of it. */
export async function commitOnce(
  open: Servers,
  { datasets }: Instance,
  id: DatasetId,
  batch: Batch,
  head?: Awaited<ReturnType<Datasets["head"]>>,
): Promise<CommitOutcome> {
  const { seq, nextOffset, schema } = head ?? (await datasets.head(id));
  const wanted = batch.schema ?? (schema === null ? oneColumn : undefined);
  const localPath = path.join(open.work, `${process.pid}-${++files}`);
  const text = batch.values.map((value, index) => `${nextOffset + index} ${value}\n`).join("");
  if (batch.values.length > 0) await writeFile(localPath, text);
  const bad = `bad ${batch.source} ${batch.position} ${batch.quarantined}\n`;
  if (batch.quarantined !== undefined) await writeFile(`${localPath}.quarantine`, bad);
  return await datasets.commit(id, {
    expectedSeq: seq,
    ...(wanted === undefined || batch.values.length === 0 ? {} : { schema: wanted }),
    ...(batch.values.length === 0
      ? {}
      : {
          data: {
            localPath,
            rows: batch.values.length,
            sizeBytes: Buffer.byteLength(text),
            physicalHash: sha3Multihash(Buffer.from(text)),
            logicalHash: logicalHash(text),
            statistics: [{ column: "value", type: "VARCHAR", nullCount: 0, min: null, max: null }],
          },
        }),
    ...(batch.quarantined === undefined
      ? {}
      : {
          quarantine: {
            localPath: `${localPath}.quarantine`,
            physicalHash: sha3Multihash(Buffer.from(bad)),
            rows: batch.quarantined,
            size: Buffer.byteLength(bad),
          },
        }),
    ...(batch.watermarkMs === undefined ? {} : { watermark: instant(batch.watermarkMs) }),
    sourceState: { sourceName: batch.source, kind: "test", value: String(batch.position) },
    systemTime: open.clock.now(),
    by: "test",
  });
}

/** Commits a batch as ingestion does: again behind whoever was faster, and not at all where the chain has it already. */
export async function commitBatch(open: Servers, one: Instance, id: DatasetId, batch: Batch): Promise<number> {
  for (let attempt = 1; attempt <= 200; attempt++) {
    const head = await one.datasets.head(id);
    const state = head.sourceState(batch.source);
    if (state !== null && Number(state.value) >= batch.position) return head.seq;
    const outcome = await commitOnce(open, one, id, batch, head);
    if (outcome.outcome === "committed") return outcome.seq;
  }
  throw new Error("lost 200 times");
}

/** All rows of a snapshot that have not expired, read from its objects: their offsets must be those that the chain says. */
export async function readRows(
  one: Instance,
  id: DatasetId,
  asOf?: Parameters<Datasets["snapshot"]>[1],
): Promise<string[]> {
  for (let attempt = 1; ; attempt++) {
    const snapshot = await one.datasets.snapshot(id, asOf);
    try {
      return await rowsOfSnapshot(one, id, snapshot);
    } catch (error) {
      // A file that others have compacted, superseded or let expire: its rows are in another one, or have expired.
      if (attempt === 3 || !isGone(error)) throw error;
      await one.datasets.refresh(id);
    }
  }
}

async function rowsOfSnapshot(one: Instance, id: DatasetId, snapshot: Snapshot): Promise<string[]> {
  await using open = await one.datasets.openSlices(id, snapshot.slices);
  const texts = await Promise.all(open.paths.map((file) => readFile(file, "utf8")));
  const rows = texts.flatMap(rowsOf).filter(({ offset }) => offset >= snapshot.expiredBefore && offset < snapshot.rows);
  for (const [index, row] of rows.entries()) {
    if (row.offset !== snapshot.expiredBefore + index) throw new Error(`row ${index} has the offset ${row.offset}`);
  }
  if (rows.length !== snapshot.rows - snapshot.expiredBefore)
    throw new Error(`${rows.length} rows, and the snapshot says ${snapshot.rows}`);
  return rows.map((row) => row.value);
}

function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "data_expired" || error.code === "ENOENT");
}
