import fc from "fast-check";
import { expect, test } from "vitest";
import { datasetName } from "../../../../src/base/index.ts";
import { encodingOf, fileKey, nameFrom, wrongName } from "./send.ts";

test("a dataset's name is made from any file's name, such that the server takes it", () => {
  expect(nameFrom("Bird Strikes (2).csv.gz")).toBe("bird_strikes_2");
  expect(nameFrom("2024-01.été.ndjson")).toBe("e_te");
  expect(nameFrom("日本.csv")).toBe("data");
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (file) => {
      const name = nameFrom(file);
      expect(wrongName(name)).toBeNull();
      expect(datasetName(name)).toBe(name);
    }),
  );
});

test("what the console refuses as a name, and what it takes, is what the server does", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "z", "0", "_", "-", "A", ".", " ", "ä"), maxLength: 70 });
  fc.assert(
    fc.property(letters, (name) => {
      const server = (() => {
        try {
          return datasetName(name) === name;
        } catch {
          return false;
        }
      })();
      expect(wrongName(name) === null).toBe(server);
    }),
  );
});

test("a file's key is the same for the same file, another for another, and fits a header", () => {
  const file = (name: string, size: number, lastModified: number) => ({ name, size, lastModified }) as File;
  const key = fileKey(file("a\u202eb ☃.csv", 10, 5));
  expect(key).toBe(fileKey(file("a\u202eb ☃.csv", 10, 5)));
  expect(key).not.toBe(fileKey(file("a\u202eb ☃.csv", 11, 5)));
  expect(key).not.toBe(fileKey(file("a\u202eb ☃.csv", 10, 6)));
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), fc.nat(), (name, size) => {
      const made = fileKey(file(name, size, 1_700_000_000_000));
      expect(made).toMatch(/^[\x20-\x7e]{1,255}$/);
    }),
  );
});

test("how a file is packed is known by its ending", () => {
  expect(["a.csv.gz", "a.CSV.GZ", "a.zst", "gz", "a.csv"].map(encodingOf)).toEqual([
    "gzip",
    "gzip",
    "zstd",
    "identity",
    "identity",
  ]);
});
