import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FuzzEntry, problemOf, runCampaign } from "./campaign.ts";
import { type Entries, entryNames, openEntries } from "./entries.ts";
import { inputFromJson } from "./input.ts";

const seed = Number(process.env.MILLRACE_TEST_SEED ?? 20_261_121);
const regressions = path.join(import.meta.dirname, "regressions");

/**
 * Inputs an entry. Ten thousand where an input costs less than a millisecond or two; those that run a worker or commit on disk
 * are fewer here, and as many as wanted by `npm run test:fuzz`.
 */
const inputs: Readonly<Record<string, number>> = {
  odf: 10_000,
  configuration: 10_000,
  "manifests.text": 10_000,
  "manifests.apply": 3_000,
  "convert.ndjson": 300,
  "convert.json": 300,
  "convert.csv": 300,
  "convert.tsv": 150,
  "convert.text": 300,
  "convert.parquet": 1_500,
  "convert.arrow": 1_500,
  rows: 200,
  sql: 2_000,
  doors: 6_000,
  wire: 10_000,
  redis: 10_000,
};

describe(`fuzz (MILLRACE_TEST_SEED=${seed})`, () => {
  let entries: Entries;
  beforeAll(async () => {
    entries = await openEntries();
  }, 60_000);
  afterAll(() => entries[Symbol.asyncDispose]());

  const withEntry = async (name: string, use: (entry: FuzzEntry) => Promise<void>) => {
    try {
      await use(await entries.open(name));
    } finally {
      await entries.close();
    }
  };

  test("every entry has its number of inputs", () => {
    expect(Object.keys(inputs).sort()).toEqual([...entryNames].sort());
  });

  for (const name of entryNames) {
    test(`${name}: what was found once`, { timeout: 120_000 }, async () => {
      const kept = readdirSync(regressions).filter((file) => file.startsWith(`${name}-`));
      if (kept.length === 0) return;
      await withEntry(name, async (entry) => {
        for (const file of kept) {
          const problem = await problemOf(entry, inputFromJson(readFileSync(path.join(regressions, file), "utf8")));
          expect(problem, file).toBeNull();
        }
      });
    });

    test(`${name}: ${inputs[name]} inputs`, { timeout: 240_000 }, async () => {
      const foundFolder = path.join(import.meta.dirname, "found");
      const lines: string[] = [];
      await withEntry(name, async (entry) => {
        const options = { seed, inputs: inputs[name] ?? 0, foundFolder, say: (line: string) => lines.push(line) };
        const { findings, judged } = await runCampaign(entry, options);
        expect(findings.join("\n")).toBe("");
        expect(judged).toBe(inputs[name]);
      });
    });
  }
});
