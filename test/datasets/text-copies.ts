import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { MillraceError } from "../../src/base/index.ts";
import type { CopyWorker } from "../../src/datasets/index.ts";
import { multihashOfDigest, sha3Multihash } from "../../src/slices/index.ts";

/** A copy begins with a line that no slice has, so that its bytes are others. */
const mark = "copy\n";

/** Copies of slices that are lines of `offset value`. */
export const textCopies: CopyWorker = {
  async writeCopy({ inputs, firstOffset, lastOffset, output }) {
    const texts = await Promise.all(inputs.map((input) => rowsOf(input.path, input.firstOffset, input.lastOffset)));
    const rows = texts.flat();
    if (rows.length !== lastOffset - firstOffset + 1) throw new MillraceError("bad_input", "rows are missing");
    const text = mark + rows.join("");
    await writeFile(output, text);
    const statistics = [{ column: "value", type: "VARCHAR", nullCount: 0, min: null, max: null }];
    return { sizeBytes: Buffer.byteLength(text), physicalHash: sha3Multihash(Buffer.from(text)), statistics };
  },
  async rangeHashes({ path, ranges }) {
    const hashes: string[] = [];
    for (const { firstOffset, lastOffset } of ranges) {
      const rows = await rowsOf(path, firstOffset, lastOffset);
      if (rows.length !== lastOffset - firstOffset + 1) throw new MillraceError("bad_input", "rows are missing");
      hashes.push(logicalHash(rows.join("")));
    }
    return hashes;
  },
};

async function rowsOf(file: string, first: number, last: number): Promise<string[]> {
  const text = await readFile(file, "utf8");
  const lines = text.slice(text.startsWith(mark) ? mark.length : 0).split("\n");
  return lines
    .filter((line) => line !== "")
    .filter((line) => Number(line.split(" ")[0]) >= first && Number(line.split(" ")[0]) <= last)
    .map((line) => `${line}\n`);
}

/** Of a slice of this text. */
export function logicalHash(text: string) {
  return multihashOfDigest("arrow0-sha3-256", createHash("sha3-256").update(`rows:${text}`).digest());
}
