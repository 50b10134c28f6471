import { type DatasetId, MillraceError } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { Chain } from "../chain/chain.ts";
import { DatasetKeys } from "../chain/keys.ts";
import { newestSeq, readBlock, readEntry } from "../chain/log.ts";
import type { DataSlice } from "../odf/index.ts";
import { physicalProblem } from "./bytes.ts";

export type VerifyLevel = "chain" | "physical" | "logical";

/** Reads slices; the engines fit it. */
export interface SliceReader {
  /** The logical hash of a Parquet file's rows. @throws on a file that cannot be read */
  logicalHash(path: string, signal: AbortSignal): Promise<string>;
  /** The column `offset`: its first number (null without rows), and whether the others follow it one by one. */
  offsets(
    path: string,
    signal: AbortSignal,
  ): Promise<{ readonly rows: number; readonly first: number | null; readonly gapFree: boolean }>;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly level: VerifyLevel;
  readonly blocks: number;
  readonly slices: number;
  readonly rows: number;
  /** The first broken object and why; null where everything holds. */
  readonly broken: Broken | null;
}

export interface Broken {
  readonly object: string;
  readonly reason: string;
}

export interface VerifyOptions {
  readonly level: VerifyLevel;
  readonly signal: AbortSignal;
  /** Told of what is done and what is known to be in all: blocks, then the objects that they name too. */
  readonly progress?: (done: number, total: number) => void;
}

export interface VerifySource {
  readonly store: ObjectStore;
  readonly reader: SliceReader;
  /** The log entry behind the newest, where there is proof that it was there. */
  readonly lostEntry: (newest: number) => Promise<string | null>;
}

interface Verification {
  readonly source: VerifySource;
  readonly keys: DatasetKeys;
  readonly chain: Chain;
  readonly options: VerifyOptions;
  readonly originals: { readonly seq: number; readonly slice: DataSlice }[];
}

/**
 * Proves a dataset, in order of the chain: each log entry, each block's name and rules; from `physical` on the bytes of
 * each data object; for `logical` also the hash and offsets of its rows. Nothing but the object store is believed: an index
 * can add a doubt, not take one away.
 * @throws dataset_not_found where it was deleted; the signal's reason; the store's errors
 */
export async function verifyChain(source: VerifySource, id: DatasetId, options: VerifyOptions): Promise<VerifyReport> {
  const one: Verification = { source, keys: new DatasetKeys(id), chain: new Chain(id), options, originals: [] };
  const broken = (await verifyLog(one)) ?? (options.level === "chain" ? null : await verifyObjects(one));
  const { tip } = one.chain;
  return {
    ok: broken === null,
    level: options.level,
    blocks: tip.seq + 1,
    slices: one.originals.length,
    rows: tip.nextOffset,
    broken,
  };
}

/** Every entry that is there, as the store lists them, so that no gap is jumped over. */
async function verifyLog(one: Verification): Promise<Broken | null> {
  const { source, keys, chain, options } = one;
  const { signal } = options;
  const total = (await newestSeq(source.store, keys, -1, signal)) + 1;
  for await (const { key } of source.store.list(keys.logFolder, { signal })) {
    signal.throwIfAborted();
    const wanted = keys.log(chain.seq + 1);
    if (key > wanted) return { object: wanted, reason: "it is missing" };
    if (key < wanted) return { object: key, reason: "it is no entry of the log" };
    const broken = await verifyLink(one, chain.seq + 1);
    if (broken !== null) return broken;
    options.progress?.(chain.seq + 1, Math.max(total, chain.seq + 1));
  }
  if (chain.seq < 0) return { object: keys.log(0), reason: "the commit log is empty" };
  const lost = await source.lostEntry(chain.seq);
  return lost === null ? null : { object: lost, reason: "it is missing, though later blocks were committed" };
}

async function verifyLink(one: Verification, seq: number): Promise<Broken | null> {
  const { source, keys, chain, options, originals } = one;
  let object = keys.log(seq);
  try {
    const hash = await readEntry(source.store, keys, seq, options.signal);
    object = keys.block(hash);
    const { block } = await readBlock(source.store, keys, seq, hash, options.signal);
    chain.append(hash, block, null);
    const { event } = block;
    const slice = event.kind === "AddData" || event.kind === "ExecuteTransform" ? event.newData : undefined;
    if (slice !== undefined) originals.push({ seq, slice });
    return null;
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code === "dataset_not_found") throw error;
    const reason = error.data?.reason ?? error.data?.problem;
    return { object, reason: typeof reason === "string" ? reason : error.message };
  }
}

/** What the blocks name, in their order. */
async function verifyObjects(one: Verification): Promise<Broken | null> {
  const { keys, chain, options } = one;
  const quarantined = chain.quarantines.map(({ seq, hash, sizeBytes }) => ({
    seq,
    verify: () => verifyBytes(one, keys.quarantine(hash), hash, sizeBytes),
  }));
  const objects = [
    ...one.originals.map(({ seq, slice }) => ({ seq, verify: () => verifySlice(one, slice) })),
    ...quarantined,
  ];
  objects.sort((a, b) => a.seq - b.seq);
  let done = chain.seq + 1;
  const total = done + objects.length;
  for (const { verify } of objects) {
    options.signal.throwIfAborted();
    const broken = await verify();
    if (broken !== null) return broken;
    options.progress?.(++done, total);
  }
  return null;
}

async function verifyBytes(
  { source, options }: Verification,
  object: string,
  hash: Multihash,
  sizeBytes: number,
): Promise<Broken | null> {
  const reason = await physicalProblem(source.store, { object, hash, sizeBytes }, options.signal);
  return reason === null ? null : { object, reason };
}

async function verifySlice(one: Verification, slice: DataSlice): Promise<Broken | null> {
  const { source, keys, options } = one;
  const object = keys.data(slice.physicalHash);
  const broken = await verifyBytes(one, object, slice.physicalHash, slice.size);
  if (broken !== null || options.level === "physical") return broken;
  await using file = await source.store.local(object, options.signal);
  if (file === null) return { object, reason: "it is missing" };
  try {
    const reason = await logicalProblem(source.reader, file.path, slice, options.signal);
    return reason === null ? null : { object, reason };
  } catch (error) {
    options.signal.throwIfAborted();
    return { object, reason: `its rows cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** Why a file's rows are not those that a block says of its slice, or null. @throws on a file that cannot be read */
export async function logicalProblem(
  reader: SliceReader,
  path: string,
  { offsetInterval: { start, end }, logicalHash }: Pick<DataSlice, "offsetInterval" | "logicalHash">,
  signal: AbortSignal,
): Promise<string | null> {
  const { rows, first, gapFree } = await reader.offsets(path, signal);
  const wanted = end - start + 1;
  if (rows !== wanted) return `it has ${rows} rows, and its block says ${wanted}`;
  if (first !== start) return `its offsets begin at ${first}, and its block says ${start}`;
  if (!gapFree) return "its offsets do not follow each other";
  const logical = await reader.logicalHash(path, signal);
  return logical === logicalHash ? null : "its rows are not those that its logical hash says";
}
