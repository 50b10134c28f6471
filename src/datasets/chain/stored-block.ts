import { MillraceError } from "../../base/index.ts";
import { type Multihash, sha3Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { decodeBlock, type MetadataBlock } from "../odf/index.ts";
import type { DatasetKeys } from "./keys.ts";

export interface StoredBlock {
  readonly seq: number;
  readonly hash: Multihash;
  readonly bytes: Uint8Array;
  readonly block: MetadataBlock;
}

/**
 * The last entry of a deleted dataset's log, and what its packs become. No writer can win the number that it took, so nothing
 * follows it.
 */
export const deletedEntry = "deleted";

/** A block's object, its bytes proven against its name. @throws chain_broken where it is missing or changed */
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

export function brokenObject(object: string, reason: string): MillraceError {
  return new MillraceError("chain_broken", `The object ${object} is broken: ${reason}.`, {
    data: { object, reason },
    hint: "`millrace verify` names the first broken object; restore it from a backup or another copy.",
  });
}

export function datasetDeleted(): MillraceError {
  return new MillraceError("dataset_not_found", "The dataset was deleted.");
}
