import { open } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import type { Clock } from "../../base/index.ts";

const chunkBytes = 256 * 1024;

/** A file's bytes in order, one buffer at a time. */
export async function* fileChunks(path: string): AsyncGenerator<Uint8Array, void, void> {
  await using file = await open(path, "r");
  while (true) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes);
    if (bytesRead === 0) return;
    yield bytesRead === chunkBytes ? buffer : buffer.subarray(0, bytesRead);
  }
}

/**
 * Writes one chunk and resolves when the client has room for more, so a slow client slows the source and costs no memory.
 * A client that takes nothing for `stallMs` is cut off. @throws the socket's end as Error
 */
export function send(
  response: ServerResponse,
  chunk: Uint8Array | string,
  { clock, stallMs, onStall }: { clock: Clock; stallMs: number; onStall: () => void },
): Promise<void> {
  if (response.destroyed) return Promise.reject(new Error("the client is gone"));
  if (response.write(chunk)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const settle = () => {
      forget();
      response.off("drain", settle);
      response.off("close", settle);
      if (response.destroyed) reject(new Error("the client is gone"));
      else resolve();
    };
    const forget = clock.timer(stallMs, () => {
      onStall();
      response.destroy();
    });
    response.once("drain", settle);
    response.once("close", settle);
  });
}
