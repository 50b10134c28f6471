import { readFileSync } from "node:fs";
import { tableFromIPC } from "apache-arrow";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MillraceError, type QueryId, type TraceId } from "../base/index.ts";
import type { Engine, EngineQuery, EngineResult, ResultFormat } from "./contract.ts";

/** Runs a query with what the tests do not care about filled in. */
export async function ask(
  engine: Engine,
  sql: string,
  more: Partial<EngineQuery> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<EngineResult> {
  const rest = { parameters: [], format: "json" as const, rowLimit: null, byteLimit: 100e6 };
  return await engine.query(
    { queryId: "q" as QueryId, traceId: "t" as TraceId, label: sql, sql, ...rest, ...more },
    signal,
  );
}

export async function bytesOf(result: EngineResult): Promise<Buffer> {
  await using held = result;
  return held.body.kind === "inline" ? Buffer.from(held.body.bytes) : readFileSync(held.body.path);
}

export async function rowsOf(result: EngineResult): Promise<unknown> {
  return JSON.parse((await bytesOf(result)).toString()).rows;
}

const formats = ["json", "ndjson", "csv", "parquet", "arrow"] as const satisfies readonly ResultFormat[];
/** Each way a result can take: few rows, a stream, stored rows. */
const limits = [10_000, null] as const;
const never = new AbortController().signal;

/** What every engine behind the contract must do. `open` is called once. */
export function engineConformance(name: string, open: () => Promise<{ readonly engine: Engine } & AsyncDisposable>) {
  describe(`${name} keeps the engine contract`, () => {
    let opened: { readonly engine: Engine } & AsyncDisposable;
    let engine: Engine;
    beforeAll(async () => {
      opened = await open();
      engine = opened.engine;
    }, 60_000);
    afterAll(async () => await opened[Symbol.asyncDispose]());

    test.each(limits)("json says every value exactly, nested too (row limit %s)", async (rowLimit) => {
      const sql = `SELECT 1 AS n, 9007199254740993 AS wide, 1.50::DECIMAL(9,2) AS price, 'nan'::DOUBLE AS nan, NULL AS nothing,
        true AS yes, TIMESTAMP '2024-05-17 10:05:03.5' AS at, TIMESTAMPTZ '2024-05-17 10:05:03+02' AS zoned, DATE '2024-05-17' AS day,
        '\\xAA'::BLOB AS bytes, [9007199254740993, 2] AS list, {'a': 'x', 'b': 'inf'::DOUBLE} AS struct, MAP {1: 'x'} AS map,
        'ä"\n' AS text, '{"j": [1]}'::JSON AS json, 0.1::FLOAT AS float, INTERVAL '1 year 2 days -3.5 seconds' AS span,
        TIMESTAMP '1969-12-31 23:59:59.000001' AS before, -0.0::DOUBLE AS zero`;
      expect(await rowsOf(await ask(engine, sql, { rowLimit }))).toEqual([
        {
          n: 1,
          wide: "9007199254740993",
          price: "1.50",
          nan: "NaN",
          nothing: null,
          yes: true,
          at: "2024-05-17T10:05:03.500000",
          zoned: "2024-05-17T08:05:03.000000Z",
          day: "2024-05-17",
          bytes: "qg==",
          list: ["9007199254740993", 2],
          struct: { a: "x", b: "Infinity" },
          map: [{ key: 1, value: "x" }],
          text: 'ä"\n',
          json: { j: [1] },
          float: 0.1,
          span: "P1Y2DT-3.5S",
          before: "1969-12-31T23:59:59.000001",
          zero: -0,
        },
      ]);
    });

    test("whole numbers, doubles and points in time come as any reader would read them", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              whole: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
              double: fc.option(fc.double()),
              micros: fc.option(fc.integer({ min: -60_000_000_000_000, max: 8_000_000_000_000_000 })),
            }),
            { minLength: 1, maxLength: 30 },
          ),
          async (records) => {
            const text = (value: unknown) => (value === null ? "NULL" : `'${Object.is(value, -0) ? "-0.0" : value}'`);
            const values = records.map(
              ({ whole, double, micros }) =>
                `(${text(whole)}::BIGINT, ${text(double)}::DOUBLE, make_timestamp(${micros ?? "NULL"}))`,
            );
            const rows = await rowsOf(await ask(engine, `SELECT * FROM (VALUES ${values.join(", ")}) t(w, d, m)`));
            expect(rows).toEqual(
              records.map(({ whole, double, micros }) => ({
                w: whole === null ? null : Number.isSafeInteger(Number(whole)) ? Number(whole) : String(whole),
                d: double === null || Number.isFinite(double) ? double : String(double),
                m: micros === null ? null : isoMicros(micros),
              })),
            );
          },
        ),
        { numRuns: 30 },
      );
    });

    test("repeated names are told apart", async () => {
      for (const rowLimit of limits) {
        expect(await rowsOf(await ask(engine, "SELECT 1 AS a, 2 AS a, 3 AS A", { rowLimit }))).toEqual([
          { a: 1, a_1: 2, A_2: 3 },
        ]);
      }
    });

    test("csv keeps NULL and the empty text apart, also under a row limit", async () => {
      for (const rowLimit of [3, 1_000_000, null]) {
        const sql = `SELECT * FROM (VALUES (1, ''), (2, NULL), (3, 'a "b",' || chr(10)), (4, 'x')) t(i, t) ${rowLimit === 3 ? "" : "LIMIT 3"}`;
        const csv = (await bytesOf(await ask(engine, sql, { format: "csv", rowLimit }))).toString();
        expect(csv).toBe('i,t\n1,""\n2,\n3,"a ""b"",\n"\n');
      }
    });

    describe.each(formats)("%s", (format) => {
      const failing = (row: number, failure: string) =>
        `SELECT i, CASE WHEN i = ${row} THEN ${failure} ELSE 'row ' || i END AS x FROM range(400000) t(i)`;
      // json_deserialize_sql throws a parser error at run time, after which DuckDB does not even abort a transaction.
      test.each([
        ["error", "error('boom')"],
        ["a cast", "('x' || i)::INTEGER::VARCHAR"],
        ["a parser error", `json_deserialize_sql(('{"error":false,"a":' || i || '}')::JSON)`],
      ])("%s in the middle of many rows fails the whole result", async (_, failure) => {
        for (const rowLimit of [1_000_000, null]) {
          await expect(ask(engine, failing(299_999, failure), { format, rowLimit })).rejects.toMatchObject({
            code: expect.stringMatching(/^sql_(runtime|syntax)$/),
          });
        }
      });

      test("the error says what went wrong", async () => {
        await expect(ask(engine, failing(299_999, "error('boom')"), { format })).rejects.toMatchObject({
          message: expect.stringContaining("boom"),
        });
      });

      test.each([0, 1, 2047, 2048, 300_000])("%d rows come whole and in order", async (count) => {
        const sql = `SELECT i, 'row ' || i AS text FROM range(${count}) t(i) ORDER BY i DESC`;
        const result = await ask(engine, sql, { format });
        expect([result.rows, result.truncated]).toEqual([count, false]);
        const bytes = await bytesOf(result);
        if (format === "json") expect(orderOf(JSON.parse(bytes.toString()).rows)).toEqual({ count, ordered: true });
        if (format === "ndjson") {
          const lines = bytes.toString().split("\n").slice(0, -1);
          expect(orderOf(lines.map((line) => JSON.parse(line)))).toEqual({ count, ordered: true });
        }
        if (format === "csv") expect(bytes.toString().split("\n").length).toBe(count + 2);
        if (format === "arrow") {
          const table = tableFromIPC(bytes);
          expect(table.numRows).toBe(count);
          if (count > 0) expect(String(table.get(count - 1)?.text)).toBe("row 0");
        }
      });

      test.each([9, 60_000])("a limit of %d rows cuts exactly and says so", async (rowLimit) => {
        const cut = await ask(engine, `FROM range(${rowLimit + 1})`, { format, rowLimit });
        expect([cut.rows, cut.truncated]).toEqual([rowLimit, true]);
        await cut[Symbol.asyncDispose]();
        const whole = await ask(engine, `FROM range(${rowLimit})`, { format, rowLimit });
        expect([whole.rows, whole.truncated]).toEqual([rowLimit, false]);
        await whole[Symbol.asyncDispose]();
      });

      test("a result beyond its byte limit is refused", async () => {
        const sql = "SELECT md5(i::VARCHAR) AS a, md5((i + 1)::VARCHAR) AS b FROM range(20000000) t(i)";
        await expect(ask(engine, sql, { format, byteLimit: 1e6 })).rejects.toMatchObject({ code: "result_too_large" });
      });
    });

    test("entries are keys and rows, in order", async () => {
      const sql = `SELECT i AS a, CASE WHEN i % 5 = 0 THEN NULL ELSE 'x:' || i || '\\' END AS "op_1", (i % 4)::UTINYINT AS op,
        i, CASE WHEN i % 5 = 0 THEN NULL ELSE 'x:' || i || '\\' END FROM range(30000) t(i) ORDER BY i`;
      const entries = recordsOf(await bytesOf(await ask(engine, sql, { format: "entries", keyColumns: 2 })));
      expect(entries).toHaveLength(30_000);
      for (const [i, { op, key, row }] of entries.entries()) {
        expect(op).toBe(i % 4);
        expect(key).toBe(i % 5 === 0 ? null : `${i}:x\\:${i}\\\\`);
        const isGone = i % 4 === 1 || i % 4 === 2;
        expect(row).toBe(isGone ? "" : JSON.stringify({ a: i, op_1: i % 5 === 0 ? null : `x:${i}\\` }));
      }
      const typed = `SELECT 1 AS a, 0 AS op, ${"TIMESTAMPTZ '2024-01-01 00:00:00.5Z'"} UNION ALL SELECT 2, 0, NULL`;
      const one = recordsOf(await bytesOf(await ask(engine, typed, { format: "entries", keyColumns: 1 })));
      expect(one.map(({ key }) => key)).toEqual(["2024-01-01T00:00:00.500000Z", null]);
      const text = recordsOf(
        await bytesOf(await ask(engine, "SELECT 1 AS a, 0 AS op, 'a:b'", { format: "entries", keyColumns: 1 })),
      );
      expect(text).toEqual([{ op: 0, key: "a:b", row: '{"a":1}' }]);
      const number = recordsOf(
        await bytesOf(
          await ask(engine, "SELECT 1 AS a, 0 AS op, 9007199254740993", { format: "entries", keyColumns: 1 }),
        ),
      );
      expect(number[0]?.key).toBe("9007199254740993");
    });

    test("arrow keeps types and values", async () => {
      const sql = `SELECT i, (i * 1.25)::DOUBLE AS d, CASE WHEN i % 3 = 0 THEN NULL ELSE i % 2 = 0 END AS b, (i / 4)::DECIMAL(9,2) AS m,
        TIMESTAMPTZ '2024-01-01' + to_milliseconds(i) AS t, CASE WHEN i % 7 = 0 THEN NULL ELSE repeat('ä', (i % 20)::INTEGER) END AS s,
        sum(i) OVER () AS h, [i] AS l FROM range(70000) t(i) ORDER BY i`;
      const table = tableFromIPC(await bytesOf(await ask(engine, sql, { format: "arrow" })));
      expect(table.schema.fields.map((field) => String(field.type))).toEqual([
        "Int64",
        "Float64",
        "Bool",
        "Decimal[9e+2]",
        "Timestamp<MICROSECOND, UTC>",
        "Utf8",
        "Decimal[38e0]",
        "Utf8",
      ]);
      for (const i of [0, 1, 6, 2047, 2048, 65_535, 65_536, 69_999]) {
        const row = table.get(i);
        expect([row?.i, row?.d, row?.b, Number(row?.t), row?.s, row?.l]).toEqual([
          BigInt(i),
          i * 1.25,
          i % 3 === 0 ? null : i % 2 === 0,
          Date.UTC(2024, 0, 1) + i,
          i % 7 === 0 ? null : "ä".repeat(i % 20),
          `[${i}]`,
        ]);
      }
    });

    test("arrow and json tell the same texts, short and long, in any order of memory", async () => {
      const sql = `SELECT CASE WHEN i % 11 = 3 THEN NULL ELSE repeat(chr(97 + (i % 26)::INTEGER), (hash(i) % (CASE WHEN i % 50 = 0 THEN 9000 ELSE 40 END))::INTEGER) END AS s
        FROM range(6000) t(i) WHERE i % 4 <> 1 ORDER BY hash(i + 1), i`;
      const table = tableFromIPC(await bytesOf(await ask(engine, sql, { format: "arrow" })));
      const texts = [...table].map((row) => ({ s: row?.s ?? null }));
      expect(texts).toEqual(await rowsOf(await ask(engine, sql)));
    });

    test("parameters are bound, in every format", async () => {
      for (const format of formats) {
        for (const rowLimit of [10, null]) {
          const sql = "SELECT $1 AS a, $2 AS b, $3 + 1 AS c, list_sum($4) AS d, $5 AS e";
          const typed = { type: "TIMESTAMPTZ", value: "2024-05-17 10:05:03+02" };
          const result = await ask(engine, sql, {
            format,
            rowLimit,
            parameters: ["x'; DROP", null, 41, [1, 2], typed],
          });
          const bytes = await bytesOf(result);
          if (format !== "json") continue;
          expect(JSON.parse(bytes.toString()).rows).toEqual([
            { a: "x'; DROP", b: null, c: 42, d: 3, e: "2024-05-17T08:05:03.000000Z" },
          ]);
        }
      }
      expect(await rowsOf(await ask(engine, "SELECT $who AS w", { parameters: { who: "me" } }))).toEqual([{ w: "me" }]);
      await expect(ask(engine, "SELECT $1 AS a")).rejects.toMatchObject({ code: "bad_parameter" });
      await expect(ask(engine, "SELECT 1", { parameters: [1] })).rejects.toMatchObject({ code: "bad_parameter" });
      const wrong = { type: "INTEGER); DROP", value: "1" };
      await expect(ask(engine, "SELECT $1", { parameters: [wrong] })).rejects.toMatchObject({ code: "bad_parameter" });
    });

    test("errors tell the place in the caller's text", async () => {
      for (const rowLimit of limits) {
        await expect(ask(engine, "SELECT\n  'ä', nothing FROM range(2)", { rowLimit })).rejects.toMatchObject({
          code: "sql_binding",
          position: { line: 2, column: 8 },
        });
        await expect(ask(engine, "SELECT 1 FROM FROM", { rowLimit })).rejects.toMatchObject({
          code: "sql_syntax",
          position: { line: 1, column: 15 },
        });
      }
    });

    test("a statement may end in a comment or a semicolon", async () => {
      for (const sql of ["SELECT 1 AS n -- one", "SELECT 1 AS n;", "/* a */ SELECT 1 AS n ; "]) {
        for (const rowLimit of limits) expect(await rowsOf(await ask(engine, sql, { rowLimit }))).toEqual([{ n: 1 }]);
      }
    });

    test("several statements, also in disguise, and statements that write are refused", async () => {
      for (const sql of [
        "SELECT 1; SELECT 2",
        "CREATE TABLE t (i INTEGER)",
        "SELECT 1) LIMIT 1; CREATE TABLE t AS (SELECT 2",
      ]) {
        for (const format of formats) {
          await expect(ask(engine, sql, { format })).rejects.toMatchObject({ code: expect.stringMatching(/^sql_/) });
        }
      }
    });

    test("text becomes a tree and text again", async () => {
      const tree = await engine.serialize("SELECT a.x FROM a AT (VERSION => 3)");
      expect(await engine.deserialize(tree)).toContain("AT (VERSION => 3)");
      const many = await Promise.all(
        [1, 2, 3].map(async (n) => engine.deserialize(await engine.serialize(`SELECT ${n}`))),
      );
      expect(many).toEqual(["SELECT 1", "SELECT 2", "SELECT 3"]);
      await expect(engine.deserialize("no tree")).rejects.toThrow();
      expect(await engine.deserialize(tree)).toContain("AT (VERSION => 3)");
      expect(JSON.parse(await engine.serialize("SELECT FROM FROM"))).toMatchObject({ error: true, position: "12" });
    });

    test("the columns of a statement are told without running it", async () => {
      const sql = "SELECT 1 AS a, 'x' AS b, error('never') AS c";
      expect(await engine.describe(sql, never)).toEqual([
        { name: "a", type: "INTEGER" },
        { name: "b", type: "VARCHAR" },
        expect.objectContaining({ name: "c" }),
      ]);
    });

    test("a plan is a result", async () => {
      expect(JSON.stringify(await rowsOf(await ask(engine, "EXPLAIN SELECT 42")))).toContain("PROJECTION");
    });

    test("an abort ends a running query with the signal's own reason", async () => {
      const slow = "SELECT count(*) FROM range(1000000000) a, range(1000) b";
      const controller = new AbortController();
      const running = ask(engine, slow, {}, controller.signal);
      controller.abort(new MillraceError("query_timeout", "Too long."));
      await expect(running).rejects.toMatchObject({ code: "query_timeout" });
      await expect(ask(engine, "SELECT 1", {}, controller.signal)).rejects.toMatchObject({ code: "query_timeout" });
    });
  });
}

function isoMicros(micros: number): string {
  const seconds = Math.floor(micros / 1e6);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(micros - seconds * 1e6).padStart(6, "0")}`;
}

function orderOf(rows: readonly { i: number; text: string }[]) {
  const ordered = rows.every((row, at) => row.i === rows.length - 1 - at && row.text === `row ${row.i}`);
  return { count: rows.length, ordered };
}

function recordsOf(bytes: Buffer): { op: number; key: string | null; row: string }[] {
  const records = [];
  for (let at = 0; at < bytes.length; ) {
    const keyBytes = bytes.readUInt32LE(at + 1);
    const key = keyBytes === 0xffff_ffff ? null : bytes.toString("utf8", at + 9, at + 9 + keyBytes);
    const row = at + 9 + (key === null ? 0 : keyBytes);
    const end = row + bytes.readUInt32LE(at + 5);
    records.push({ op: bytes.readUInt8(at), key, row: bytes.toString("utf8", row, end) });
    at = end;
  }
  return records;
}
