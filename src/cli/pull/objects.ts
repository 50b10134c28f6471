import { MillraceError } from "../../base/index.ts";
import type { Origin } from "./origin.ts";
import type { MissingObject, Replica } from "./replica.ts";
import { patiently } from "./retries.ts";

/** Objects that travel at once. */
const objectsAtOnce = 4;

export interface CopyProgress {
  addBlocks(blocks: number): void;
  addBytes(bytes: number): void;
}

/** Between an origin and the copy. */
export interface Transport {
  readonly origin: Origin;
  readonly replica: Replica;
  readonly progress: CopyProgress;
  readonly signal: AbortSignal;
}

export interface Brought {
  readonly objects: number;
  readonly bytes: number;
}

/** A slice that the origin no longer has as it was committed. */
export interface GoneSlice {
  readonly object: MissingObject;
  /** At the origin: rows below this offset have expired; 0 where it says none. */
  readonly expiredBefore: number;
  readonly error: MillraceError;
}

/**
 * Brings objects, a few at a time; the first failure ends the others. A slice that is gone at the origin is told, and those behind
 * it are left for the next round.
 */
export async function bringObjects(
  job: Transport,
  missing: readonly MissingObject[],
): Promise<Brought & { readonly gone: readonly GoneSlice[] }> {
  const failed = new AbortController();
  const signal = AbortSignal.any([job.signal, failed.signal]);
  const waiting = [...new Map(missing.map((one) => [`${one.part}/${one.hash}`, one])).values()];
  const gone: GoneSlice[] = [];
  let [objects, bytes] = [0, 0];
  const carry = async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      if (gone.length > 0 && one.part === "data") continue; // what stands for that one may stand for this one, too
      const lost = await bring({ ...job, signal }, one);
      if (lost !== null) {
        gone.push(lost);
        continue;
      }
      objects++;
      bytes += one.sizeBytes;
    }
  };
  const carriers = Array.from({ length: objectsAtOnce }, () =>
    carry().catch((error: unknown) => {
      if (!failed.signal.aborted) failed.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(carriers);
  failed.signal.throwIfAborted();
  job.signal.throwIfAborted();
  return { objects, bytes, gone };
}

async function bring(job: Transport, object: MissingObject): Promise<GoneSlice | null> {
  const { origin, replica, progress, signal } = job;
  try {
    await patiently(signal, async () => {
      const body = origin.object(object.part, object.hash, object.sizeBytes, signal);
      await replica.putObject(object, counted(body, progress));
    });
    return null;
  } catch (error) {
    const isGone = error instanceof MillraceError && error.code === "data_expired" && object.part === "data";
    if (!isGone) throw error;
    const expiredBefore = typeof error.data?.expiredBefore === "number" ? error.data.expiredBefore : 0;
    return { object, expiredBefore, error };
  }
}

export async function* counted(body: AsyncIterable<Uint8Array>, progress: CopyProgress): AsyncIterable<Uint8Array> {
  for await (const chunk of body) {
    progress.addBytes(chunk.byteLength);
    yield chunk;
  }
}
