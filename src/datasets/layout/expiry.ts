import type { ObjectStore } from "../../storage/index.ts";
import type { LayoutKeys } from "./layout-keys.ts";

/**
 * The offset below which rows have expired; 0 where none have. The name says it, and of several the greatest counts, so that
 * whoever writes later or twice never brings a row back.
 */
export async function expiredBefore(store: ObjectStore, keys: LayoutKeys, signal?: AbortSignal): Promise<number> {
  let greatest = 0;
  for await (const { key } of store.list(keys.expiredFolder, signal ? { signal } : {})) {
    const offset = Number(key.slice(keys.expiredFolder.length));
    if (Number.isSafeInteger(offset)) greatest = Math.max(greatest, offset);
  }
  return greatest;
}

/** Rows below the offset have expired from now on: no reader goes behind it, and nobody takes it back. */
export async function registerExpired(
  store: ObjectStore,
  keys: LayoutKeys,
  offset: number,
  signal: AbortSignal,
): Promise<void> {
  await store.putIfAbsent(keys.expired(offset), new TextEncoder().encode("expired"));
  for await (const { key } of store.list(keys.expiredFolder, { signal }))
    if (key < keys.expired(offset)) await store.delete(key);
}
