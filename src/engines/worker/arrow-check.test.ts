import { open, writeFile } from "node:fs/promises";
import path from "node:path";
import { Dictionary, Int32, Table, tableFromArrays, tableToIPC, Utf8, vectorFromArray } from "apache-arrow";
import { expect, test } from "vitest";
import { tempDirectory } from "../../../test/kit/index.ts";
import { checkArrow } from "./arrow-check.ts";
import { JobFailure } from "./failure.ts";

const tables = [
  tableFromArrays({ id: Int32Array.from([1, 2, 3]), name: ["a", "b", "c"] }),
  new Table({ word: vectorFromArray(["x", "y", null], new Dictionary(new Utf8(), new Int32())) }),
];
const whole = tables.flatMap((table) => [tableToIPC(table, "file"), tableToIPC(table, "stream")]);

/** What checking these bytes says: null, or the failure. */
async function verdictOf(file: string, bytes: Uint8Array): Promise<unknown> {
  await writeFile(file, bytes);
  await using handle = await open(file);
  return await checkArrow(handle).then(
    () => null,
    (error: unknown) => error,
  );
}

test("whole files and streams pass", async () => {
  await using folder = await tempDirectory();
  for (const bytes of whole) expect(await verdictOf(path.join(folder.path, "a"), bytes)).toBeNull();
});

test("whatever number stands in a file, and wherever it is cut, the answer is that it passes or that it is none", async () => {
  await using folder = await tempDirectory();
  const file = path.join(folder.path, "a");
  let refused = 0;
  for (const bytes of whole) {
    const bent = [-1, 0x7fffffff, 0x10000].flatMap((value) =>
      Array.from({ length: Math.floor(bytes.length / 4) }, (_, word) => {
        const copy = Buffer.from(bytes);
        copy.writeInt32LE(value, word * 4);
        return copy;
      }),
    );
    const cut = Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length));
    for (const one of [...bent, ...cut]) {
      const verdict = await verdictOf(file, one);
      if (verdict === null) continue;
      refused++;
      expect(verdict).toBeInstanceOf(JobFailure);
      expect(verdict).toMatchObject({ failure: { code: "bad_input" } });
    }
  }
  expect(refused).toBeGreaterThan(500);
});
