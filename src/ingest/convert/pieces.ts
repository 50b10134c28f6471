import { open } from "node:fs/promises";
import type { BatchEntry } from "./batch.ts";
import { chunksOf } from "./lines.ts";

/** Writes a body as pieces `{n, raw}` of at most 1 MiB, one a line: the bytes in base64, whatever they are. Tells how many. */
export async function writePieces(path: string, entry: BatchEntry, output: string): Promise<number> {
  await using file = await open(output, "w", 0o600);
  let count = 0;
  for await (const chunk of chunksOf(path, entry.start, entry.sizeBytes)) {
    await file.write(`${JSON.stringify({ n: ++count, raw: chunk.toString("base64") })}\n`);
  }
  return count;
}
