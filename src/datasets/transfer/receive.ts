import { createHash } from "node:crypto";
import { type Disk, MillraceError } from "../../base/index.ts";
import { multihashOfDigest } from "../../slices/index.ts";
import type { NamedObject } from "./named-objects.ts";
import { refused } from "./refusals.ts";

/**
 * Writes a body of unproven bytes into a local file, and proves them: neither more nor fewer than the block says, and those
 * that the name says. The file is gone where they are not. @throws replica_refused, disk_full
 */
export async function receiveObject(
  disk: Disk,
  file: string,
  { part, hash, sizeBytes }: NamedObject,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const digest = createHash("sha3-256");
  let received = 0;
  const tooMany = () => refused(`of ${part}/${hash} came more bytes than the ${sizeBytes} that its block says`);
  try {
    {
      await using handle = await disk.open(file, "write");
      for await (const chunk of body) {
        received += chunk.byteLength;
        if (received > sizeBytes) throw tooMany();
        digest.update(chunk);
        await handle.write(chunk);
      }
    }
    if (received < sizeBytes) throw refused(`of ${part}/${hash} came ${received} of ${sizeBytes} bytes`);
    if (multihashOfDigest("sha3-256", digest.digest()) !== hash)
      throw refused(`the bytes of ${part}/${hash} are not those that its name says`);
  } catch (error) {
    await disk.remove(file);
    throw asFullDisk(error);
  }
}

function asFullDisk(error: unknown): unknown {
  const isFull = error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
  if (!isFull) return error;
  return new MillraceError("disk_full", "No room is left on the disk for what the origin gives.", {
    hint: "Make room, and pull again: it goes on where it stopped.",
    cause: error,
  });
}
