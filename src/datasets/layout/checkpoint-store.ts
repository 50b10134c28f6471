import { type DatasetId, MillraceError } from "../../base/index.ts";
import { sha3Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { ChainState } from "../chain/chain.ts";
import { DatasetKeys } from "../chain/keys.ts";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";

/** Kept of a dataset: who has read the hint may still read the one before. */
const keptCheckpoints = 2;

/** Writes a checkpoint and, unless another server wrote a later one, the hint; drops older ones. */
export async function writeCheckpoint(store: ObjectStore, id: DatasetId, state: ChainState): Promise<void> {
  const { seq } = state.tip;
  const keys = new DatasetKeys(id);
  const bytes = encodeCheckpoint(id, state);
  await store.put(keys.layoutCheckpoint(seq), bytes);
  const there: string[] = [];
  for await (const { key } of store.list(keys.layoutCheckpoints)) there.push(key);
  if (there.at(-1) === keys.layoutCheckpoint(seq))
    await store.put(keys.layoutHint, new TextEncoder().encode(`${seq} ${sha3Multihash(bytes)}`));
  for (const key of there.slice(0, -keptCheckpoints)) await store.delete(key);
}

/**
 * The newest checkpoint that can be read, or null; `ignored` is told of what cannot. It is not yet held against the log.
 * Without a hint that leads to one, the folder is listed.
 */
export async function readCheckpoint(
  store: ObjectStore,
  id: DatasetId,
  ignored: (object: string, error: unknown) => void,
  signal?: AbortSignal,
): Promise<ChainState | null> {
  const keys = new DatasetKeys(id);
  const hinted = await readHint(store, keys, signal);
  if (hinted !== null) {
    const bytes = await store.get(hinted.key, signal ? { signal } : {});
    if (bytes !== null && sha3Multihash(bytes) === hinted.hash) {
      const state = decodeOr(id, bytes, (error) => ignored(hinted.key, error));
      if (state !== null) return state;
    }
  }
  const there: string[] = [];
  for await (const { key } of store.list(keys.layoutCheckpoints, signal ? { signal } : {})) there.push(key);
  for (const key of there.toReversed()) {
    const bytes = await store.get(key, signal ? { signal } : {});
    const state = bytes === null ? null : decodeOr(id, bytes, (error) => ignored(key, error));
    if (state !== null) return state;
  }
  return null;
}

async function readHint(store: ObjectStore, keys: DatasetKeys, signal?: AbortSignal) {
  const bytes = await store.get(keys.layoutHint, signal ? { signal } : {});
  const found = /^(\d{1,12}) (f1620[0-9a-f]{64})$/.exec(bytes === null ? "" : new TextDecoder().decode(bytes).trim());
  return found === null ? null : { key: keys.layoutCheckpoint(Number(found[1])), hash: found[2] };
}

function decodeOr(id: DatasetId, bytes: Uint8Array, ignored: (error: unknown) => void): ChainState | null {
  try {
    return decodeCheckpoint(id, bytes);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    ignored(error);
    return null;
  }
}
