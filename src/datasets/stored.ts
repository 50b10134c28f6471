import { type DatasetId, type DatasetPath, datasetPath, MillraceError } from "../base/index.ts";
import type { ObjectStore } from "../storage/index.ts";
import { DatasetKeys, datasetsPrefix } from "./chain/keys.ts";
import { isDatasetId } from "./odf/index.ts";

/** A dataset as its folder in the object store tells. */
export interface StoredDataset {
  readonly id: DatasetId;
  /** null where it was never finished, or its name cannot be read. */
  readonly path: DatasetPath | null;
  readonly isDeleted: boolean;
}

/** Every dataset of a store, each at the cost of a few requests, however many objects it has. */
export async function* storedDatasets(store: ObjectStore, signal: AbortSignal): AsyncIterable<StoredDataset> {
  for (let after = datasetsPrefix; ; ) {
    const folder = await nextFolder(store, after, signal);
    if (folder === null) return;
    after = `${datasetsPrefix}${folder}0`; // behind all of the folder: "0" follows "/"
    const text = `did:odf:${folder}`;
    if (isDatasetId(text)) yield await read(store, text, signal);
  }
}

async function nextFolder(store: ObjectStore, after: string, signal: AbortSignal): Promise<string | null> {
  for await (const { key } of store.list(datasetsPrefix, { after, limit: 1, signal }))
    return key.slice(datasetsPrefix.length).split("/", 1)[0] ?? null;
  return null;
}

async function read(store: ObjectStore, id: DatasetId, signal: AbortSignal): Promise<StoredDataset> {
  const keys = new DatasetKeys(id);
  const [alias, tombstone] = await Promise.all([store.get(keys.alias, { signal }), store.stat(keys.tombstone)]);
  return { id, path: alias === null ? null : named(alias), isDeleted: tombstone !== null };
}

function named(alias: Uint8Array): DatasetPath | null {
  try {
    return datasetPath(new TextDecoder().decode(alias));
  } catch (error) {
    if (error instanceof MillraceError) return null;
    throw error;
  }
}
