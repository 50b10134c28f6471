import { MillraceError } from "../../base/index.ts";
import { type Multihash, multihash, sha3Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { decodeBlock, type MetadataBlock } from "../odf/index.ts";
import type { DatasetKeys } from "./keys.ts";

export interface StoredBlock {
  readonly seq: number;
  readonly hash: Multihash;
  readonly bytes: Uint8Array;
  readonly block: MetadataBlock;
}

/** The last entry of a deleted dataset's log. No writer can win the number that it took, so nothing follows it. */
export const deletedEntry = "deleted";

const utf8 = new TextDecoder();

/** What won a sequence number, or null where nothing has yet. @throws chain_broken on an entry that is neither */
export async function readLog(
  store: ObjectStore,
  keys: DatasetKeys,
  seq: number,
  signal?: AbortSignal,
): Promise<Multihash | typeof deletedEntry | null> {
  const entry = await store.get(keys.log(seq), signal ? { signal } : {});
  if (entry === null) return null;
  const text = utf8.decode(entry).trim();
  return text === deletedEntry ? deletedEntry : multihash(text);
}

/**
 * The hash that won a sequence number below the newest.
 * @throws chain_broken where the entry is missing or damaged; dataset_not_found where it ends a deleted dataset
 */
export async function readEntry(
  store: ObjectStore,
  keys: DatasetKeys,
  seq: number,
  signal?: AbortSignal,
): Promise<Multihash> {
  const entry = await readLog(store, keys, seq, signal);
  if (entry === null) throw brokenObject(keys.log(seq), "it is missing");
  if (entry === deletedEntry) throw datasetDeleted();
  return entry;
}

/** A committed block, its bytes proven against its name. @throws chain_broken where it is missing or changed */
export async function readBlock(
  store: ObjectStore,
  keys: DatasetKeys,
  seq: number,
  hash: Multihash,
  signal?: AbortSignal,
): Promise<StoredBlock> {
  const key = keys.block(hash);
  const bytes = await store.get(key, signal ? { signal } : {});
  if (bytes === null) throw brokenObject(key, "it is missing");
  if (sha3Multihash(bytes) !== hash) throw brokenObject(key, "its bytes are not those that its name says");
  return { seq, hash, bytes, block: decodeBlock(bytes) };
}

/** The block that `refs/head` names, or null. The hint may be absent, stale or wrong: the log decides. */
export async function readHint(
  store: ObjectStore,
  keys: DatasetKeys,
  signal?: AbortSignal,
): Promise<StoredBlock | null> {
  const text = await store.get(keys.head, signal ? { signal } : {});
  if (text === null) return null;
  try {
    const stored = await readBlock(store, keys, 0, multihash(utf8.decode(text).trim()), signal);
    return { ...stored, seq: stored.block.sequenceNumber };
  } catch (error) {
    if (error instanceof MillraceError) return null;
    throw error;
  }
}

export function brokenObject(object: string, reason: string): MillraceError {
  return new MillraceError("chain_broken", `The object ${object} is broken: ${reason}.`, {
    data: { object, reason },
    hint: "`millrace verify` names the first broken object; restore it from a backup or another copy.",
  });
}

export function datasetDeleted(): MillraceError {
  return new MillraceError("dataset_not_found", "The dataset was deleted.");
}

/**
 * The newest sequence number, or -1 for an empty log: from `known` (already read, or a hint's) forward by doubling steps,
 * then by halving. The log has no gap, so that presence is monotone.
 */
export async function newestSeq(
  store: ObjectStore,
  keys: DatasetKeys,
  known: number,
  signal?: AbortSignal,
): Promise<number> {
  const has = async (seq: number) => {
    signal?.throwIfAborted();
    return (await store.stat(keys.log(seq))) !== null;
  };
  if (!(await has(known + 1))) return known;
  let low = known + 1;
  let step = 1;
  while (await has(low + step)) {
    low += step;
    step *= 2;
  }
  let high = low + step; // absent
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await has(middle)) low = middle;
    else high = middle;
  }
  return low;
}
