import { readFileSync } from "node:fs";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { sharedDataAbsent } from "../kit/shared-data.ts";
import { files, imports, questions, straightAnswers } from "./real-files.ts";

describe.skipIf(sharedDataAbsent)(
  `the main job on real files${sharedDataAbsent === null ? "" : ` (${sharedDataAbsent})`}`,
  () => {
    let folder: TempDirectory;
    let platform: Platform;

    beforeAll(async () => {
      folder = await tempDirectory();
      platform = await startPlatform({ dataDirectory: folder.path });
      for (const [name, file] of imports) {
        const { code, stderr } = await millrace(["ingest", name, file], platform);
        expect(code, stderr).toBe(0);
      }
    }, 120_000);

    afterAll(async () => {
      await platform?.[Symbol.asyncDispose]();
      await folder?.[Symbol.asyncDispose]();
    });

    async function ask(sql: string): Promise<string> {
      const { code, stdout, stderr } = await millrace(["sql", sql, "--format", "csv"], platform);
      expect(code, stderr).toBe(0);
      return stdout.split("\n")[1] ?? "";
    }

    test("aggregates equal those of DuckDB straight from the files", async () => {
      const got: Record<string, string> = {};
      for (const { name, ours } of questions) got[name] = await ask(ours);
      expect(got).toEqual(await straightAnswers());
    });

    test("flights equal the Arrow file", async () => {
      const table = tableFromIPC(readFileSync(files.flights));
      const total = (column: string) =>
        [...(table.getChild(column) ?? [])].reduce((sum: number, value) => sum + Number(value), 0);
      expect(
        await ask(
          "SELECT count(*), sum(delay)::BIGINT, sum(distance)::BIGINT, typeof(any_value(delay)) FROM travel.flights",
        ),
      ).toBe(`${table.numRows},${total("delay")},${total("distance")},SMALLINT`);
    });

    test("offsets have no gap and every chain verifies", async () => {
      for (const [name] of imports) {
        const [count, least, most, distinct] = (
          await ask(`SELECT count(*), min("offset"), max("offset"), count(DISTINCT "offset") FROM ${name}`)
        )
          .split(",")
          .map(Number);
        expect([least, most, distinct], name).toEqual([0, (count ?? 0) - 1, count]);
        const { code, stdout, stderr } = await millrace(["verify", name], platform);
        expect(code, stdout + stderr).toBe(0);
      }
    });
  },
);
