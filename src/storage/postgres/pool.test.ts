import { once } from "node:events";
import { createServer } from "node:net";
import { TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { selfSigned } from "../../../test/kit/certificate.ts";
import { type TestDatabase, testDatabase, until } from "../../../test/kit/index.ts";
import { connect } from "./pool.ts";
import type { Sql } from "./sql.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase(4);
  await database.sql`CREATE TABLE pairs (pair int, half int)`;
});
afterAll(() => database[Symbol.asyncDispose]());

const lost = { code: "CONNECTION_LOST" };

async function backendOf(sql: Pick<Sql, "unsafe">): Promise<number> {
  const [row] = await sql.unsafe<{ pid: number }[]>("SELECT pg_backend_pid() AS pid");
  return row?.pid ?? 0;
}

async function kill(pid: number): Promise<void> {
  const [row] = await database.sql<{ killed: boolean }[]>`SELECT pg_terminate_backend(${pid}, 5000) AS killed`;
  expect(row?.killed).toBe(true);
}

test("values of every kind come back as they went in", async () => {
  const { sql } = database;
  const at = new Date("2026-02-28T23:59:59.123Z");
  const hostile = `'; DROP TABLE pairs; --\\ "$1" {,}`;
  const [row] = await sql<Record<string, unknown>[]>`
    SELECT ${hostile}::text AS text, ${7}::int AS int, ${9_007_199_254_740_993n}::bigint AS bigint, ${1.5}::float8 AS float,
      ${true}::boolean AS boolean, ${null}::text AS nothing, ${at}::timestamptz AS at, ${Buffer.from([0, 255])}::bytea AS bytes,
      ${["a", hostile, ""]}::text[] AS list, ${sql.json({ deep: [1, null, hostile] })}::jsonb AS json,
      ${sql.json(null)}::jsonb AS no_json`;
  expect(row).toEqual({
    text: hostile,
    int: 7,
    bigint: "9007199254740993",
    float: 1.5,
    boolean: true,
    nothing: null,
    at,
    bytes: Buffer.from([0, 255]),
    list: ["a", hostile, ""],
    json: { deep: [1, null, hostile] },
    no_json: null,
  });
});

test("rows are inserted by their columns, and the tag's number is told", async () => {
  const { sql } = database;
  const rows = [1, 2, 3].map((pair) => ({ half: 0, pair, other: "not a column" }));
  expect((await sql`INSERT INTO pairs ${sql(rows, "pair", "half")}`).count).toBe(3);
  expect(await sql`SELECT pair, half FROM pairs ORDER BY pair`).toEqual(rows.map(({ pair, half }) => ({ pair, half })));
  expect((await sql`DELETE FROM pairs`).count).toBe(3);
  expect(() => sql`INSERT INTO pairs ${sql([], "pair")}`).toThrow("no rows");
});

test("a transaction in which a statement failed is undone, whoever caught that", async () => {
  const { sql } = database;
  const run = sql.begin(async (transaction) => {
    await transaction`INSERT INTO pairs VALUES (1, 1)`;
    await transaction`SELECT 1 / 0`.catch(() => {});
  });
  await expect(run).rejects.toMatchObject({ code: "22012" });
  expect(await sql`SELECT * FROM pairs`).toEqual([]);
});

test("a statement that comes after the end of its transaction is refused", async () => {
  const late = await database.sql.begin(async (transaction) => transaction);
  await expect(late`INSERT INTO pairs VALUES (1, 1)`).rejects.toThrow("after the end");
});

test("a connection that is killed between two statements of a transaction fails the second, and the pool goes on", async () => {
  const sql = connect(database.url, 1);
  await using _end = { [Symbol.asyncDispose]: () => sql.end() };
  const run = sql.begin(async (transaction) => {
    await transaction`INSERT INTO pairs VALUES (1, 1)`;
    await kill(await backendOf(transaction));
    await transaction`INSERT INTO pairs VALUES (1, 2)`;
  });
  await expect(run).rejects.toSatisfy((error) => ["CONNECTION_LOST", "57P01"].includes(Reflect.get(error, "code")));
  expect(await sql`SELECT * FROM pairs`).toEqual([]);
});

test("a reserved connection that was killed refuses every later statement", async () => {
  const sql = connect(database.url, 1);
  await using _end = { [Symbol.asyncDispose]: () => sql.end() };
  const session = await sql.reserve();
  await kill(await backendOf(session));
  await session`SELECT 1`.catch(() => {});
  await expect(session`SELECT 1`).rejects.toMatchObject(lost);
  session.release();
  expect(await sql`SELECT 1 AS one`).toEqual([{ one: 1 }]);
});

test("connections killed at any moment tear no transaction, and the pool serves again", {
  timeout: 30_000,
}, async () => {
  const sql = connect(database.url, 6);
  await using _end = { [Symbol.asyncDispose]: () => sql.end() };
  const promised = new Set<number>();
  let next = 0;
  let isOver = false;
  const writers = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const pair = next++;
      const written = sql.begin(async (transaction) => {
        await transaction`INSERT INTO pairs VALUES (${pair}, 1)`;
        if (pair % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        await Promise.all([transaction`SELECT pg_sleep(0.001)`, transaction`INSERT INTO pairs VALUES (${pair}, 2)`]);
      });
      await written.then(
        () => promised.add(pair),
        (error: unknown) =>
          expect(["CONNECTION_LOST", "ECONNRESET", "EPIPE", "57P01"]).toContain(Reflect.get(Object(error), "code")),
      );
    }
  });
  for (let round = 0; round < 40; round++) {
    const before = promised.size;
    await database.sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ~ 'pairs|BEGIN|COMMIT|ROLLBACK|pg_sleep'`;
    await until("transactions go on", () => promised.size > before + 10);
  }
  isOver = true;
  await Promise.all(writers);
  const halves = await database.sql<{ pair: number; n: string }[]>`SELECT pair, count(*) AS n FROM pairs GROUP BY pair`;
  expect(halves.filter(({ n }) => n !== "2")).toEqual([]);
  const found = new Set(halves.map(({ pair }) => pair));
  expect([...promised].filter((pair) => !found.has(pair))).toEqual([]);
});

test("who listens is woken by each notification, and after each loss of the connection", async () => {
  const sql = connect(database.url, 2);
  await using _end = { [Symbol.asyncDispose]: () => sql.end() };
  let wakes = 0;
  const { unlisten } = await sql.listen("news", () => wakes++);
  await sql`SELECT pg_notify('news', '')`;
  await until("it is woken", () => wakes === 1);
  const [row] = await sql<{ pid: number }[]>`SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN "news"'`;
  await kill(row?.pid ?? 0);
  await until("it listens again", () => wakes === 2);
  await sql`SELECT pg_notify('news', '')`;
  await until("it is woken again", () => wakes === 3);
  await unlisten();
  await until("its connection is gone", async () => {
    const [left] = await sql<
      { n: number }[]
    >`SELECT count(*)::int AS n FROM pg_stat_activity WHERE query = 'LISTEN "news"'`;
    return left?.n === 0;
  });
});

test("the end waits for what runs as long as it is told, tells who waits for a connection, and cuts the rest", async () => {
  const sql = connect(database.url, 1);
  const [long] = [sql`SELECT pg_sleep(60)`];
  const waits = sql`SELECT 1`;
  const told = Promise.all([
    expect(long).rejects.toMatchObject(lost),
    expect(waits).rejects.toThrow("has been closed"),
  ]);
  await until("it runs", async () => {
    const [row] = await database.sql<{ n: number }[]>`
      SELECT count(*)::int AS n FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'`;
    return row?.n === 1;
  });
  await sql.end({ timeoutMs: 50 });
  await told;
  await expect(sql`SELECT 1`).rejects.toMatchObject(lost);
});

test.each([
  ["require", true],
  ["verify-full", false],
])("sslmode=%s with a certificate that nobody knows: encrypted is %s", async (mode, isTaken) => {
  const { certificate, key } = selfSigned();
  let encrypted = 0;
  await using server = createServer((socket) => {
    // The SSLRequest is answered with S, and TLS begins (PostgreSQL's protocol, "SSL Session Encryption").
    socket.once("data", () => {
      socket.write("S");
      const secure = new TLSSocket(socket, { isServer: true, cert: certificate, key });
      secure
        .on("error", () => {})
        .once("data", () => {
          encrypted++;
          secure.destroy();
        });
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = z.object({ port: z.number() }).parse(server.address());
  const sql = connect(`postgres://nobody:secret@127.0.0.1:${port}/nothing?sslmode=${mode}`, 1);
  await using _end = { [Symbol.asyncDispose]: () => sql.end() };
  await expect(sql`SELECT 1`).rejects.toThrow();
  expect(encrypted).toBe(isTaken ? 1 : 0);
});

test("a server that is not there is told at once", async () => {
  const sql = connect("postgres://nobody@127.0.0.1:1/nothing", 1);
  await using _end = { [Symbol.asyncDispose]: () => sql.end() };
  await expect(sql`SELECT 1`).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await expect(sql.listen("news", () => {})).rejects.toMatchObject({ code: "ECONNREFUSED" });
});
