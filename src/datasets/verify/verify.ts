import { createHash } from "node:crypto";
import { type DatasetId, MillraceError } from "../../base/index.ts";
import { type Multihash, multihashOfDigest } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { Chain } from "../chain/chain.ts";
import { readNotes } from "../chain/extra.ts";
import { DatasetKeys } from "../chain/keys.ts";
import { newestSeq, readBlock, readLog } from "../chain/log.ts";
import type { MetadataBlock } from "../odf/index.ts";

export type VerifyLevel = "chain" | "physical" | "logical";

/** Reads slices; the engines fit it. */
export interface SliceReader {
  /** The logical hash of a Parquet file's rows. @throws on a file that cannot be read */
  logicalHash(path: string, signal: AbortSignal): Promise<string>;
  count(path: string, signal: AbortSignal): Promise<number>;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly level: VerifyLevel;
  readonly blocks: number;
  readonly slices: number;
  readonly rows: number;
  /** The first broken object and why; null where everything holds. */
  readonly broken: { readonly object: string; readonly reason: string } | null;
}

export interface VerifyOptions {
  readonly level: VerifyLevel;
  readonly signal: AbortSignal;
  /** Told of blocks done and in all. */
  readonly progress?: (done: number, total: number) => void;
}

const readBytes = 4 << 20;

/**
 * Proves a dataset from the object store alone, in order of the chain: each log entry, each block's name and rules; from
 * `physical` on the bytes of each data object; for `logical` also the hash and offsets of its rows.
 */
export async function verifyChain(
  store: ObjectStore,
  reader: SliceReader,
  id: DatasetId,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const keys = new DatasetKeys(id);
  const chain = new Chain();
  const counted = { slices: 0, rows: 0 };
  const report = (broken: VerifyReport["broken"]): VerifyReport => ({
    ok: broken === null,
    level: options.level,
    blocks: chain.seq + 1,
    ...counted,
    broken,
  });
  const newest = await newestSeq(store, keys, -1, options.signal);
  if (newest < 0) return report({ object: keys.log(0), reason: "the commit log is empty" });
  for (let seq = 0; seq <= newest; seq++) {
    options.signal.throwIfAborted();
    const broken = await verifyLink(store, keys, chain, seq, options.signal);
    if (broken !== null) return report(broken);
    const slice = chain.slices.at(-1);
    if (slice?.seq === seq) {
      counted.slices++;
      counted.rows += slice.lastOffset - slice.firstOffset + 1;
    }
    options.progress?.(seq + 1, newest + 1);
  }
  if (options.level === "chain") return report(null);
  for (const slice of chain.slices) {
    options.signal.throwIfAborted();
    const broken = await verifySlice(store, reader, keys, slice, options);
    if (broken !== null) return report(broken);
  }
  for (const { hash, sizeBytes } of chain.quarantines) {
    const broken = await verifyBytes(store, keys.quarantine(hash), hash, sizeBytes, options.signal);
    if (broken !== null) return report(broken);
  }
  return report(null);
}

type Broken = VerifyReport["broken"];

async function verifyLink(
  store: ObjectStore,
  keys: DatasetKeys,
  chain: Chain,
  seq: number,
  signal: AbortSignal,
): Promise<Broken> {
  let object = keys.log(seq);
  try {
    const hash = await readLog(store, keys, seq, signal);
    if (hash === null) return { object, reason: "it is missing" };
    object = keys.block(hash);
    const { block } = await readBlock(store, keys, seq, hash, signal);
    checkSourceNotes(block);
    chain.append(hash, block, null);
    return null;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const reason = error.data?.reason ?? error.data?.problem;
    return { object, reason: typeof reason === "string" ? reason : error.message };
  }
}

/** Reads our own attributes too, so that a block whose notes are broken is named. */
function checkSourceNotes(block: MetadataBlock): void {
  if (block.event.kind === "AddData") readNotes(block.event);
}

async function verifySlice(
  store: ObjectStore,
  reader: SliceReader,
  keys: DatasetKeys,
  slice: Chain["slices"][number],
  { level, signal }: VerifyOptions,
): Promise<Broken> {
  const object = keys.data(slice.hash);
  const broken = await verifyBytes(store, object, slice.hash, slice.sizeBytes, signal);
  if (broken !== null || level === "physical") return broken;
  await using file = await store.local(object, signal);
  if (file === null) return { object, reason: "it is missing" };
  try {
    const rows = await reader.count(file.path, signal);
    const wanted = slice.lastOffset - slice.firstOffset + 1;
    if (rows !== wanted) return { object, reason: `it has ${rows} rows, and its block says ${wanted}` };
    const logical = await reader.logicalHash(file.path, signal);
    return logical === slice.logicalHash
      ? null
      : { object, reason: "its rows are not those that its logical hash says" };
  } catch (error) {
    signal.throwIfAborted();
    return { object, reason: `its rows cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

async function verifyBytes(
  store: ObjectStore,
  object: string,
  hash: Multihash,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<Broken> {
  const found = await store.stat(object);
  if (found === null) return { object, reason: "it is missing" };
  if (found.sizeBytes !== sizeBytes)
    return { object, reason: `it has ${found.sizeBytes} bytes, and its block says ${sizeBytes}` };
  const digest = createHash("sha3-256");
  for (let start = 0; start < sizeBytes; start += readBytes) {
    const part = await store.get(object, { range: { start, length: readBytes }, signal });
    if (part === null) return { object, reason: "it vanished while it was read" };
    digest.update(part);
  }
  return multihashOfDigest("sha3-256", digest.digest()) === hash
    ? null
    : { object, reason: "its bytes are not those that its hash says" };
}
