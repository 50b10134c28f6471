import { DuckDBInstance } from "@duckdb/node-api";
import { sharedFile } from "../kit/shared-data.ts";

export const files = {
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

export const questions: readonly Question[] = [
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

/** Datasets and the files that they are imported from. */
export const imports = [
  ["web.access", files.access],
  ["nature.birdstrikes", files.birdstrikes],
  ["travel.flights", files.flights],
  ["film.movies", files.movies],
  ["geo.zipcodes", files.zipcodes],
] as const;

/** What DuckDB says straight from the files, by the question's name. */
export async function straightAnswers(): Promise<Record<string, string>> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const answers: Record<string, string> = {};
  for (const { name, straight } of questions)
    answers[name] = String((await connection.runAndReadAll(straight)).getRowsJson()[0]?.[0]);
  connection.closeSync();
  instance.closeSync();
  return answers;
}
