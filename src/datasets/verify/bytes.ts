import { createHash } from "node:crypto";
import { type Multihash, multihashOfDigest } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";

const readBytes = 4 << 20;

/** Why an object is not what a block says of it, or null. Read in pieces, whatever its size. */
export async function physicalProblem(
  store: ObjectStore,
  { object, hash, sizeBytes }: { readonly object: string; readonly hash: Multihash; readonly sizeBytes: number },
  signal: AbortSignal,
): Promise<string | null> {
  const found = await store.stat(object);
  if (found === null) return "it is missing";
  if (found.sizeBytes !== sizeBytes) return `it has ${found.sizeBytes} bytes, and its block says ${sizeBytes}`;
  const digest = createHash("sha3-256");
  for (let start = 0; start < sizeBytes; start += readBytes) {
    const part = await store.get(object, { range: { start, length: readBytes }, signal });
    if (part === null) return "it vanished while it was read";
    digest.update(part);
  }
  return multihashOfDigest("sha3-256", digest.digest()) === hash ? null : "its bytes are not those that its hash says";
}
