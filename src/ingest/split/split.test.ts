import fc from "fast-check";
import { expect, test } from "vitest";
import { CsvRecords } from "../formats/csv-records.ts";
import { type Part, splitRecords } from "./split.ts";

async function* chunked(text: string, sizes: readonly number[]) {
  const bytes = Buffer.from(text);
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function partsOf(...args: Parameters<typeof splitRecords>): Promise<{ text: string; firstLine: number }[]> {
  const parts: Part[] = [];
  for await (const part of splitRecords(...args)) parts.push(part);
  return parts.map((part) => ({ text: Buffer.concat(part.bytes).toString(), firstLine: part.firstLine }));
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });

test("cuts depend on the content alone, and the parts together are the file", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string()),
      sizes,
      sizes,
      fc.integer({ min: 1, max: 60 }),
      async (lines, a, b, size) => {
        const text = lines.join("\n");
        const parts = await partsOf(chunked(text, a), { kind: "ndjson" }, size);
        expect(await partsOf(chunked(text, b), { kind: "ndjson" }, size)).toEqual(parts);
        expect(parts.map((part) => part.text).join("")).toBe(text);
        let line = 1;
        for (const part of parts) {
          expect(part.firstLine).toBe(line);
          line += part.text.split("\n").length - 1;
        }
      },
    ),
  );
});

test("no record of a CSV is cut, whatever its quotes hold, and each part has the header", async () => {
  const cell = fc
    .string({ unit: fc.constantFrom("a", '"', ",", "\n", "é") })
    .map((text) => `"${text.replaceAll('"', '""')}"`);
  const rows = fc.array(fc.tuple(cell, cell), { minLength: 1 });
  const recordsOf = (text: string) => {
    const found: (string[] | null)[] = [];
    const records = new CsvRecords(",");
    const take = (record: { fields: string[] | null }) => found.push(record.fields);
    records.push(Buffer.from(text), take);
    records.end(take);
    return found;
  };
  await fc.assert(
    fc.asyncProperty(rows, sizes, fc.integer({ min: 1, max: 60 }), async (cells, chunks, size) => {
      const text = `"x\ny",z\n${cells.map((row) => row.join(",")).join("\n")}\n`;
      const parts = await partsOf(chunked(text, chunks), { kind: "csv", delimiter: ",", header: true }, size);
      for (const part of parts) expect(part.text.startsWith('"x\ny",z\n')).toBe(true);
      expect(parts.flatMap((part) => recordsOf(part.text).slice(1))).toEqual(recordsOf(text).slice(1));
    }),
  );
});

test("a JSON array is cut into lines of its elements", async () => {
  const elements = fc.array(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.array(fc.string()))));
  await fc.assert(
    fc.asyncProperty(elements, sizes, fc.integer({ min: 1, max: 60 }), async (values, chunks, size) => {
      const parts = await partsOf(chunked(JSON.stringify(values, null, 2), chunks), { kind: "json" }, size);
      const lines = parts.flatMap((part) => part.text.split("\n")).filter((line) => line.trim() !== "");
      expect(lines.map((line) => JSON.parse(line))).toEqual(JSON.parse(JSON.stringify(values)));
    }),
  );
});
