import { readdir } from "node:fs/promises";
import path from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";

// What the console asks of a real server beside what others ask.

let folder: TempDirectory;
let platform: Platform;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  folder = await tempDirectory();
  platform = await startPlatform({ dataDirectory: folder.path });
  tokens.owner = platform.token;
  await ok("owner", "PUT", "/api/v1/resources/Project/web", { spec: {} });
  for (const [user, role] of Object.entries({ ed: "editor", vic: "viewer", nina: null })) {
    await ok("owner", "POST", "/api/v1/users", { name: user });
    await ok("owner", "PUT", `/api/v1/projects/web/members/${user}`, { role });
    const made = await ok("owner", "POST", `/api/v1/users/${user}/tokens`, { scopes: ["read", "write"] });
    tokens[user] = z.object({ token: z.string() }).parse(made).token;
  }
});
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

async function ask(user: string, method: string, route: string, body?: unknown) {
  const sent = body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body);
  const type = body instanceof Uint8Array ? "application/octet-stream" : "application/json";
  const reply = await fetch(new URL(route, platform.url), {
    method,
    headers: { authorization: `Bearer ${tokens[user]}`, "content-type": type },
    ...(body === undefined ? {} : { body: sent }),
  });
  const text = await reply.text();
  const value: unknown = text === "" ? null : JSON.parse(text);
  const failed = z.object({ error: z.object({ code: z.string() }) }).safeParse(value);
  return { status: reply.status, body: value, code: failed.success ? failed.data.error.code : null };
}
async function ok(user: string, method: string, route: string, body?: unknown): Promise<unknown> {
  const reply = await ask(user, method, route, body);
  expect(reply.status, JSON.stringify(reply.body)).toBeLessThan(300);
  return reply.body;
}

/** Other batches come and go meanwhile. */
const leftBehind = async () =>
  (await readdir(path.join(folder.path, "staging", "work"))).filter((name) => /\.(preview|retry)$/.test(name));

test("the first start says where the console is, and where the token is that it asks for once", async () => {
  const said = platform.stderr();
  expect(said.trimStart()).toMatch(/^Millrace [\d.]+\s+Console +http:\/\/127\.0\.0\.1:\d+\n/);
  expect(said).toContain(`It asks once for the owner's token, which stands in ${folder.path}/owner.token`);
  await ok("owner", "PUT", "/api/v1/users/owner/password", { password: "a password of the owner" });
  await platform.end("SIGTERM");
  platform = await startPlatform({ dataDirectory: folder.path });
  expect(platform.stderr()).not.toContain("It asks once");
});

const previewReply = z.object({
  format: z.string(),
  options: z.record(z.string(), z.unknown()),
  formatName: z.string(),
  encoding: z.string(),
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z.array(z.record(z.string(), z.unknown())),
  problems: z.array(z.unknown()),
});

describe("saved queries", () => {
  const of = (name: string) => `/api/v1/projects/web/resources/SavedQuery/${name}`;
  const spec = {
    folder: "reports/monthly",
    sql: "SELECT 1",
    title: "Strikes <b>‮by state",
    chart: { type: "bar", y: ["n"] },
  };

  test("editors write and delete them, viewers read them, others do not know of them", async () => {
    expect((await ask("vic", "PUT", of("q"), { spec })).code).toBe("forbidden");
    expect(await ok("ed", "PUT", of("q"), { spec })).toMatchObject({ outcome: "created", resource: { spec } });
    expect(await ok("vic", "GET", "/api/v1/projects/web/resources/SavedQuery")).toMatchObject({
      resources: [{ name: "q", spec, updatedBy: "ed" }],
    });
    expect((await ask("nina", "GET", of("q"))).code).toBe("not_found");
    expect((await ask("vic", "DELETE", of("q"))).code).toBe("forbidden");
    expect((await ask("ed", "DELETE", of("q"))).status).toBe(204);
  });

  test.each([
    ["no SQL", { folder: "" }],
    ["a folder that begins nowhere", { folder: "/a", sql: "x" }],
    ["a folder without a name", { folder: "a//b", sql: "x" }],
    ["a chart that is a book", { folder: "", sql: "x", chart: { note: "x".repeat(20_000) } }],
    ["another member", { folder: "", sql: "x", owner: "me" }],
  ])("%s is refused", async (_name, odd) => {
    expect((await ask("ed", "PUT", of("odd"), { spec: odd })).code).toBe("bad_manifest");
  });
});

describe("the preview of a file", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const preview = (name: string, body: Uint8Array, more = "") =>
    ask("nina", "POST", `/api/v1/preview?name=${encodeURIComponent(name)}${more}`, body);

  test.each([
    ["a.csv", 'id;name;"a note"\n1;x;"b\n;c"\n2;y;\n', "csv;delimiter=;;header=true"],
    ["a.ndjson", '{"id":1,"at":"2030-01-01","n":{"a":[1]}}\n{"id":2.5}\n', "ndjson"],
    ["a.json", '[{"id":1,"x":"<b>‮"},\n{"id":null,"x":"2"}]', "json"],
    ["access.log", '1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 23 "-" "x"\n', "combined"],
  ])("%s: it shows what an import makes of it", async (name, text, formatName) => {
    const shown = previewReply.parse((await preview(name, bytes(text))).body);
    expect([shown.formatName, shown.encoding, shown.problems]).toEqual([formatName, "identity", []]);
    const dataset = `preview_${name.replace(/\W/g, "_")}`;
    const rows = `/api/v1/projects/web/datasets/${dataset}/rows?create=true&ack=committed&format=${encodeURIComponent(formatName)}`;
    await ok("ed", "POST", rows, bytes(text));
    const sql = `SELECT * EXCLUDE ("offset", op, system_time, event_time) FROM web.${dataset} ORDER BY "offset"`;
    expect(await ok("ed", "POST", "/api/v1/sql", { sql })).toMatchObject({ columns: shown.columns, rows: shown.rows });
    for (const [encoding, packed] of [
      ["gzip", gzipSync(text)],
      ["zstd", zstdCompressSync(text)],
    ] as const) {
      expect((await preview(`${name}.gz`, packed)).body).toEqual({ ...shown, encoding });
    }
  });

  test("a row that cannot be read is told with its line and reason", async () => {
    const { body } = await preview("a.ndjson", bytes('{"a":1}\n{broken\n{"a":2}\n'));
    expect(body).toMatchObject({ rows: [{ a: 1 }, { a: 2 }], problems: [{ line: 2, raw: "{broken" }] });
  });

  test("what a file's beginning lacks of its last record is no problem", async () => {
    const lines = Array.from({ length: 9_000 }, (_, n) => `${n},"a, ""quoted""\nnote that goes on and on"`);
    const all = bytes(`id,note\n${lines.join("\n")}`);
    const limit = 256 * 1024;
    expect(all.length).toBeGreaterThan(limit);
    const array = bytes(JSON.stringify(lines.map((note, id) => ({ id, note }))));
    const packed = zstdCompressSync(array);
    for (const [name, body, more] of [
      ["a.csv", all.subarray(0, limit), ""],
      ["a.csv", all.subarray(0, 5_000), "&cut=true"],
      ["a.json", array.subarray(0, limit), ""],
      ["a.json.gz", gzipSync(array).subarray(0, 20_000), "&cut=true"],
      ["a.json.zst", packed.subarray(0, Math.floor(packed.length / 2)), "&cut=true"],
    ] as const) {
      const shown = previewReply.parse((await preview(name, body, more)).body);
      expect([shown.columns.map((one) => one.name), shown.rows.length, shown.problems], name).toEqual([
        ["id", "note"],
        20,
        [],
      ]);
    }
    expect((await preview("a.json.gz", gzipSync(array).subarray(0, 20_000))).code).toBe("bad_input");
  });

  test("a format that was said is taken; Parquet is shown whole only", async () => {
    const { body } = await preview(
      "a.csv",
      bytes("1|2\n"),
      `&format=${encodeURIComponent("csv;delimiter=|;header=false")}`,
    );
    expect(body).toMatchObject({
      columns: [{ name: "column1" }, { name: "column2" }],
      rows: [{ column1: 1, column2: 2 }],
    });
    const reply = await fetch(new URL("/api/v1/sql?format=parquet&query=SELECT+7+AS+a", platform.url), {
      headers: { authorization: `Bearer ${tokens.owner}` },
    });
    const parquet = new Uint8Array(await reply.arrayBuffer());
    expect((await preview("x", parquet)).body).toMatchObject({ format: "parquet", rows: [{ a: 7 }] });
    expect((await preview("x", parquet.subarray(0, 50), "&cut=true")).body).toMatchObject({
      format: "parquet",
      columns: [],
      problems: [{ line: null }],
    });
    expect((await preview("x", parquet.subarray(0, 50))).code).toBe("bad_input");
  });

  test("odd, huge and hostile files cost little and leave nothing", async () => {
    const bomb = gzipSync(Buffer.alloc(200 << 20, '{"a":1}\n'));
    expect((await preview("bomb.ndjson.gz", bomb.subarray(0, 256 * 1024))).body).toMatchObject({
      rows: Array(20).fill({ a: 1 }),
    });
    expect((await preview("a.csv", new Uint8Array(256 * 1024 + 1))).code).toBe("too_large");
    expect((await preview("a", bytes("no known thing"))).code).toBe("unknown_format");
    expect((await preview("a.csv", Uint8Array.of(0xff, 0xfe, 65, 0))).code).toBe("bad_input");
    expect((await preview("../../etc/passwd.csv", bytes("a,b\n1,2\n"))).status).toBe(200);
    expect((await preview("a.json", bytes('{"a":'))).status).toBeLessThan(500);
    expect((await preview("a.csv", new Uint8Array(0))).status).toBeLessThan(500);
    expect((await ask("nobody", "POST", "/api/v1/preview?name=a.csv", bytes("a"))).status).toBe(401);
    const noise = new Uint8Array(100_000).map((_, at) => (at * 7919 + (at >> 3)) & 255);
    for (const name of ["a.csv", "a.json", "a.parquet", "a.arrow", "a.ndjson", "a.log"]) {
      expect((await preview(name, noise)).status, name).toBeLessThan(500);
    }
    expect(await leftBehind()).toEqual([]);
  });
});

describe("quarantined rows", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const one = (dataset: string) => `/api/v1/projects/web/datasets/${dataset}`;
  const declare = (dataset: string, type: string) =>
    ok("ed", "PUT", `/api/v1/projects/web/resources/Dataset/${dataset}`, { spec: { columns: [{ name: "n", type }] } });
  const push = (dataset: string, text: string | Uint8Array, format: string, more = "") =>
    ok(
      "ed",
      "POST",
      `${one(dataset)}/rows?ack=committed&format=${encodeURIComponent(format)}${more}`,
      typeof text === "string" ? bytes(text) : text,
    );
  const retry = (dataset: string, body = {}) => ok("ed", "POST", `${one(dataset)}/quarantine/retry`, body);
  const select = async (dataset: string, columns = "*") => {
    const sql = `SELECT ${columns} FROM web.${dataset} ORDER BY "offset"`;
    return z.object({ rows: z.array(z.unknown()) }).parse(await ok("ed", "POST", "/api/v1/sql", { sql })).rows;
  };
  const nothing = { accepted: 0, quarantinedAgain: 0, alreadyRetried: 0, notRetryable: 0, left: 0 };

  test.each([
    ["csv", "csv", 'm;n\na;1\n"b;""\nb";3000000000\n;3\nd;4000000000\n'],
    ["headless", "csv;delimiter=;;header=false", null],
    ["ndjson", "ndjson", '{"m":"a","n":1}\n{"n":3000000000,"m":"b;\\"\\nb"}\n{"n":3}\n{"m":"d","n":4000000000}\n'],
    ["lines", "text:^(?<m>[^;]*);(?<n>.*)$", "a;1\nb;3000000000\n;3\nd;4000000000\n"],
  ])("of %s go in after a fix, as if they had come then, and once", async (dataset, format, text) => {
    if (text === null) {
      // Columns without a header have names of their own.
      await ok("ed", "PUT", `/api/v1/projects/web/resources/Dataset/${dataset}`, {
        spec: { columns: [{ name: "column1", type: "INTEGER" }] },
      });
      expect(await push(dataset, "1;a\n3000000000;b\n", format)).toMatchObject({ rows: 1, quarantined: 1 });
      await ok("ed", "PUT", `/api/v1/projects/web/resources/Dataset/${dataset}`, { spec: {} });
      expect(await retry(dataset)).toMatchObject({ accepted: 1 });
      expect(await select(dataset, "column1, column2")).toEqual([
        { column1: 1, column2: "a" },
        { column1: 3_000_000_000, column2: "b" },
      ]);
      return;
    }
    await declare(dataset, "INTEGER");
    expect(await push(dataset, text, format)).toMatchObject({ rows: 2, quarantined: 2 });
    expect(await ok("vic", "GET", `${one(dataset)}/quarantine`)).toMatchObject({ reasons: [{ rows: 2, retried: 0 }] });
    // Without a fix they are put aside anew, each time that somebody asks.
    expect(await retry(dataset)).toMatchObject({ ...nothing, quarantinedAgain: 2 });
    await ok("ed", "PUT", `/api/v1/projects/web/resources/Dataset/${dataset}`, { spec: {} });
    const [first, second] = [await retry(dataset), await retry(dataset)];
    expect(first).toMatchObject({ ...nothing, accepted: 2, alreadyRetried: 2 });
    expect(second).toMatchObject({ ...nothing, alreadyRetried: 4, receipts: [] });
    const b = dataset === "csv" ? 'b;"\nb' : dataset === "ndjson" ? 'b;"\nb' : "b";
    expect(await select(dataset, "m, n")).toEqual([
      { m: "a", n: 1 },
      { m: null, n: 3 },
      { m: b, n: 3_000_000_000 },
      { m: "d", n: 4_000_000_000 },
    ]);
    expect(await ok("vic", "GET", `${one(dataset)}/quarantine`)).toMatchObject({ reasons: [{ rows: 4, retried: 4 }] });
  });

  test("go in after their column was declared as text, and no type is declared that the rows cannot have", async () => {
    expect(await push("typed", "n,m\n1,a\n2,b\n", "csv", "&create=true")).toMatchObject({ rows: 2 });
    expect(await push("typed", "n,m\nthree,c\n4,d\n", "csv")).toMatchObject({ rows: 1, quarantined: 1 });
    const refused = await ask("ed", "PUT", "/api/v1/projects/web/resources/Dataset/typed", {
      spec: { columns: [{ name: "N", type: "DATE" }] },
    });
    expect(refused).toMatchObject({
      status: 409,
      body: { error: { message: 'The column "N" of web.typed is BIGINT, and its rows cannot become DATE.' } },
    });
    await declare("typed", "VARCHAR");
    expect(await retry("typed")).toMatchObject({ ...nothing, accepted: 1 });
    expect(await select("typed", "n, m")).toEqual([
      { n: "1", m: "a" },
      { n: "2", m: "b" },
      { n: "4", m: "d" },
      { n: "three", m: "c" },
    ]);
    expect(await push("typed", "n,m\n5.50,e\n", "csv")).toMatchObject({ rows: 1 });
    expect((await select("typed", "n")).at(-1)).toEqual({ n: "5.50" });
    await declare("typed", "VARCHAR");
    expect(
      (
        await ask("ed", "PUT", "/api/v1/projects/web/resources/Dataset/typed", {
          spec: { columns: [{ name: "n", type: "BIGINT" }] },
        })
      ).code,
    ).toBe("conflict");
  });

  test("only those of the reason that is said go, and those asked for twice at once go once, over a kill", async () => {
    await ok("ed", "PUT", "/api/v1/projects/web/resources/Dataset/reasons", {
      spec: {
        columns: [
          { name: "n", type: "INTEGER" },
          { name: "d", type: "DATE" },
        ],
      },
    });
    const rows = Array.from({ length: 300 }, (_, at) =>
      at % 2 === 0 ? { n: 3_000_000_000 + at } : { d: `2030-01-01T00:00:00.${at}` },
    );
    await push("reasons", rows.map((row) => JSON.stringify(row)).join("\n"), "ndjson");
    await ok("ed", "PUT", "/api/v1/projects/web/resources/Dataset/reasons", { spec: {} });
    const reason = "cannot be read as INTEGER";
    const both = await Promise.all([retry("reasons", { reason }), retry("reasons", { reason })]);
    const sums = z.array(z.object({ accepted: z.number(), alreadyRetried: z.number() })).parse(both);
    expect(sums.map((sum) => sum.accepted + sum.alreadyRetried)).toEqual([150, 150]);
    expect(sums.map((sum) => sum.accepted).sort((a, b) => a - b)).toEqual([0, 150]);
    expect(await retry("reasons", { reason: "' OR true --" })).toMatchObject(nothing);
    await platform.end("SIGKILL");
    platform = await startPlatform({ dataDirectory: folder.path });
    expect(await retry("reasons")).toMatchObject({ ...nothing, accepted: 150, alreadyRetried: 150 });
    const sql = "SELECT count(*) AS rows, count(DISTINCT n) AS n, count(DISTINCT d) AS d FROM web.reasons";
    expect(await ok("ed", "POST", "/api/v1/sql", { sql })).toMatchObject({ rows: [{ rows: 300, n: 150, d: 150 }] });
  });

  test("a dataset's event time is that of its definition now, or the one that was asked for then", async () => {
    await declare("times", "INTEGER");
    const text = "n,at,other\n3000000000,2030-01-01,2031-01-01\n";
    await push("times", text, "csv", "&eventTime=at");
    await ok("ed", "PUT", "/api/v1/projects/web/resources/Dataset/times", { spec: {} });
    await retry("times");
    await declare("times2", "INTEGER");
    await push("times2", text, "csv", "&eventTime=at");
    await ok("ed", "PUT", "/api/v1/projects/web/resources/Dataset/times2", { spec: { eventTime: "other" } });
    await retry("times2");
    const years = [await select("times", "year(event_time) AS y"), await select("times2", "year(event_time) AS y")];
    expect(years).toEqual([[{ y: 2030 }], [{ y: 2031 }]]);
  });

  test("what is not whole text stays where it is, and takes no neighbour with it", async () => {
    await declare("broken", "INTEGER");
    const latin = Buffer.from('n,m\n3000000000,"caf\xe9"\n3000000001,b\n', "latin1");
    expect(await push("broken", latin, "csv")).toMatchObject({ quarantined: 2 });
    expect(await push("broken", 'n,m\n1,a"b\n1,2,3\n3000000002,c\n"open,1\n', "csv")).toMatchObject({ quarantined: 4 });
    await ok("ed", "PUT", "/api/v1/projects/web/resources/Dataset/broken", { spec: {} });
    expect(await retry("broken")).toMatchObject({ ...nothing, accepted: 2, quarantinedAgain: 1, notRetryable: 3 });
    expect(await select("broken", "n, m")).toEqual([
      { n: 3_000_000_001, m: "b" },
      { n: 3_000_000_002, m: "c" },
    ]);
  });

  test("only who may write there sends them again, and odd questions are refused", async () => {
    expect((await ask("vic", "POST", `${one("csv")}/quarantine/retry`, {})).code).toBe("forbidden");
    expect((await ask("nina", "POST", `${one("csv")}/quarantine/retry`, {})).code).toBe("dataset_not_found");
    expect((await ask("ed", "POST", `${one("absent")}/quarantine/retry`, {})).code).toBe("dataset_not_found");
    expect((await ask("ed", "POST", `${one("csv")}/quarantine/retry`, { reasons: [] })).code).toBe("bad_request");
    await declare("clean", "INTEGER");
    expect(await retry("clean")).toEqual({ ...nothing, receipts: [] });
    expect(await leftBehind()).toEqual([]);
  });
});
