import { readFileSync } from "node:fs";
import { DuckDBInstance } from "@duckdb/node-api";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { sharedDataAbsent, sharedFile } from "../kit/shared-data.ts";

const files = {
  access: sharedFile("apache_access.log") ?? "",
  birdstrikes: sharedFile("birdstrikes.csv") ?? "",
  flights: sharedFile("flights-200k.arrow") ?? "",
  movies: sharedFile("movies.json") ?? "",
  zipcodes: sharedFile("zipcodes.csv") ?? "",
};

/** The same question to the platform and to DuckDB straight on the file. */
interface Question {
  readonly name: string;
  readonly ours: string;
  readonly straight: string;
}

const lines = `(SELECT regexp_extract(line, '^(\\S+) \\S+ \\S+ \\[[^\\]]+\\] "[^"]*" (\\d{3}) (\\S+)', ['ip', 'status', 'bytes']) AS f
  FROM read_csv('${files.access}', header = false, columns = {'line': 'VARCHAR'}, delim = '\\x01', quote = '', escape = '', auto_detect = false))`;
const csv = (file: string) => `read_csv('${file}')`;
const movies = `read_json('${files.movies}')`;

const questions: readonly Question[] = [
  { name: "lines of the log", ours: "SELECT count(*) FROM web.access", straight: `SELECT count(*) FROM ${lines}` },
  {
    name: "visitors",
    ours: "SELECT count(DISTINCT client_ip) FROM web.access",
    straight: `SELECT count(DISTINCT f.ip) FROM ${lines}`,
  },
  {
    name: "bytes sent",
    ours: "SELECT sum(bytes)::BIGINT FROM web.access",
    straight: `SELECT sum(TRY_CAST(f.bytes AS BIGINT))::BIGINT FROM ${lines}`,
  },
  {
    name: "pages not found",
    ours: "SELECT count(*) FROM web.access WHERE status = 404",
    straight: `SELECT count(*) FROM ${lines} WHERE f.status = '404'`,
  },
  {
    name: "strikes",
    ours: "SELECT count(*) FROM nature.birdstrikes",
    straight: `SELECT count(*) FROM ${csv(files.birdstrikes)}`,
  },
  {
    name: "cost of strikes",
    ours: 'SELECT sum("Cost Total $")::BIGINT FROM nature.birdstrikes',
    straight: `SELECT sum("Cost Total $")::BIGINT FROM ${csv(files.birdstrikes)}`,
  },
  {
    name: "states of origin",
    ours: 'SELECT count(DISTINCT "Origin State") FROM nature.birdstrikes',
    straight: `SELECT count(DISTINCT "Origin State") FROM ${csv(files.birdstrikes)}`,
  },
  { name: "films", ours: "SELECT count(*) FROM film.movies", straight: `SELECT count(*) FROM ${movies}` },
  {
    name: "rating",
    ours: 'SELECT round(avg("IMDB Rating"), 9) FROM film.movies',
    straight: `SELECT round(avg("IMDB Rating"), 9) FROM ${movies}`,
  },
  {
    name: "gross",
    ours: 'SELECT sum("US Gross"::BIGINT)::BIGINT FROM film.movies',
    straight: `SELECT sum("US Gross"::BIGINT)::BIGINT FROM ${movies}`,
  },
  {
    name: "films without a director",
    ours: 'SELECT count(*) FROM film.movies WHERE "Director" IS NULL',
    straight: `SELECT count(*) FROM ${movies} WHERE "Director" IS NULL`,
  },
  {
    name: "zip codes",
    ours: "SELECT count(*) FROM geo.zipcodes",
    straight: `SELECT count(*) FROM ${csv(files.zipcodes)}`,
  },
  {
    name: "first zip code keeps its zeros",
    ours: "SELECT min(zip_code) FROM geo.zipcodes",
    straight: `SELECT min(zip_code) FROM read_csv('${files.zipcodes}', all_varchar = true)`,
  },
  {
    name: "latitudes",
    ours: "SELECT round(sum(latitude), 6) FROM geo.zipcodes",
    straight: `SELECT round(sum(latitude), 6) FROM ${csv(files.zipcodes)}`,
  },
];

const imports = [
  ["web.access", files.access],
  ["nature.birdstrikes", files.birdstrikes],
  ["travel.flights", files.flights],
  ["film.movies", files.movies],
  ["geo.zipcodes", files.zipcodes],
] as const;

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
      const instance = await DuckDBInstance.create(":memory:");
      const connection = await instance.connect();
      const wanted: Record<string, string> = {};
      const got: Record<string, string> = {};
      for (const { name, ours, straight } of questions) {
        wanted[name] = String((await connection.runAndReadAll(straight)).getRowsJson()[0]?.[0]);
        got[name] = await ask(ours);
      }
      expect(got).toEqual(wanted);
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
