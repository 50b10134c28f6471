import { z } from "zod";
import type { ObjectStore } from "../../storage/index.ts";
import type { DatasetKeys } from "../chain/keys.ts";
import { brokenObject } from "../chain/stored-block.ts";

const shape = z.object({ formatVersion: z.literal(1), objects: z.array(z.string()) });

/**
 * What collections want to delete. A run's list is removed by that run alone, after its deletions: one that was frozen may
 * still delete. A run that was killed leaves its list for good; a writer whose object stands there writes another.
 */
export async function condemn(
  store: ObjectStore,
  keys: DatasetKeys,
  run: string,
  objects: readonly string[],
): Promise<void> {
  await store.put(keys.condemned(run), new TextEncoder().encode(JSON.stringify({ formatVersion: 1, objects })));
}

/**
 * Whether one of these objects is condemned or gone, so that no block that names it may be committed. Asked between the put of the
 * block and the creation of the log entry, in this order: either the collection that condemned an object sees the block, or its
 * writer sees the list, or sees that the object is gone.
 */
export async function isLost(store: ObjectStore, keys: DatasetKeys, objects: readonly string[]): Promise<boolean> {
  if (objects.length === 0) return false;
  for await (const { key } of store.list(keys.condemnedFolder)) {
    const condemned = await readCondemned(store, key);
    if (objects.some((object) => condemned.has(object))) return true;
  }
  for (const object of objects) if ((await store.stat(object)) === null) return true;
  return false;
}

/** A list that is gone is of a run that has ended: what it deleted is missing now. @throws chain_broken on a list that cannot be read */
async function readCondemned(store: ObjectStore, key: string): Promise<ReadonlySet<string>> {
  const bytes = await store.get(key);
  if (bytes === null) return new Set();
  const list = shape.safeParse(parse(bytes));
  if (!list.success) throw brokenObject(key, "it is no list of a collection");
  return new Set(list.data.objects);
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}
