import type { DatasetLog } from "../chain/log.ts";
import { deletedEntry } from "../chain/stored-block.ts";

export interface DeletedReport {
  readonly objects: number;
  readonly bytes: number;
}

/**
 * Deletes the objects of a dataset whose log has ended. Its numbers stay taken: each pack that there is or could be becomes the
 * marker `deleted` before an entry of the log goes, so that a writer that was frozen, and wins a number whose entry is gone,
 * finds the marker. Cut off anywhere, it is finished by being done again; what frozen ones put later goes then too.
 */
export async function collectDeleted(log: DatasetLog, signal: AbortSignal): Promise<DeletedReport> {
  const { store, keys } = log;
  const last = await lastRegion(log, signal);
  for (let region = 0; region <= last; region++) {
    signal.throwIfAborted();
    await store.put(keys.pack(region), new TextEncoder().encode(deletedEntry));
  }
  let [objects, bytes] = [0, 0];
  for await (const { key, sizeBytes } of store.list(keys.root, { signal })) {
    if (key.startsWith(keys.packsFolder) || key === keys.tombstone) continue;
    signal.throwIfAborted();
    await store.delete(key);
    objects++;
    bytes += sizeBytes;
  }
  return { objects, bytes };
}

/** The region of the log's end: by the log, or by the markers of a run that was cut off. */
async function lastRegion(log: DatasetLog, signal: AbortSignal): Promise<number> {
  const { store, keys } = log;
  let last = -1;
  for await (const { key } of store.list(keys.packsFolder, { signal }))
    last = Math.max(last, Number(key.slice(keys.packsFolder.length)));
  for await (const { key } of store.list(keys.logFolder, { signal })) {
    const seq = keys.seqOf(key);
    if (seq !== null) last = Math.max(last, log.region(seq));
  }
  return last;
}
