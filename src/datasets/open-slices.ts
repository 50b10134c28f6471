import { type DatasetId, MillraceError } from "../base/index.ts";
import type { ObjectStore } from "../storage/index.ts";
import type { SliceObject } from "./layout/live-slices.ts";
import type { OpenObjects } from "./open-objects.ts";

/** Slices that are looked up at once. */
const openedAtOnce = 16;

export interface OpenSlices extends AsyncDisposable {
  readonly paths: readonly string[];
}

/** Whether one of these files is gone. */
export async function hasGone(store: ObjectStore, slices: readonly SliceObject[]): Promise<boolean> {
  for (let from = 0; from < slices.length; from += openedAtOnce) {
    const looks = slices.slice(from, from + openedAtOnce).map(({ key }) => store.stat(key));
    if ((await Promise.all(looks)).includes(null)) return true;
  }
  return false;
}

/** Local files, held until disposed: nothing here deletes them meanwhile. @throws data_expired where an object is gone */
export async function openSlices(
  { store, open, id }: { readonly store: ObjectStore; readonly open: OpenObjects; readonly id: DatasetId },
  slices: readonly SliceObject[],
  signal?: AbortSignal,
): Promise<OpenSlices> {
  const held = new AsyncDisposableStack();
  held.use(open.hold(slices.map(({ key }) => key)));
  try {
    const openOne = async ({ key, hash }: SliceObject) => {
      const file = await store.local(key, signal);
      if (file === null)
        throw new MillraceError("data_expired", `The data object ${hash} is gone.`, {
          data: { datasetId: id },
          hint: "`millrace verify` tells more.",
        });
      return held.use(file).path;
    };
    const paths: string[] = [];
    let next = 0;
    // Each takes the next as soon as it is done, so that a remote store fetches ahead while others still come.
    const openLeft = async () => {
      try {
        for (let slice = slices[next]; slice !== undefined; slice = slices[next]) {
          const at = next++;
          paths[at] = await openOne(slice);
        }
      } catch (error) {
        next = slices.length;
        throw error;
      }
    };
    const opening = Array.from({ length: openedAtOnce }, openLeft);
    await Promise.allSettled(opening); // what was opened is held before a failure is told
    await Promise.all(opening);
    return { paths, [Symbol.asyncDispose]: () => held.disposeAsync() };
  } catch (error) {
    await held.disposeAsync();
    throw error;
  }
}
