import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory, until } from "../kit/index.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";

let folder: TempDirectory;
let platform: Platform;

beforeAll(async () => {
  folder = await tempDirectory();
  platform = await startPlatform({ dataDirectory: path.join(folder.path, "data"), flags: ["--log.level", "debug"] });
}, 60_000);
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const line = z.looseObject({ room: z.string().optional(), message: z.string(), traceId: z.string().optional() });

/** What the log says of a trace. */
function logged(traceId: string): z.infer<typeof line>[] {
  const text = readFileSync(path.join(platform.dataDirectory, "log", "server.log"), "utf8");
  const lines = text.split("\n").filter((one) => one.includes(traceId));
  return lines.map((one) => line.parse(JSON.parse(one)));
}

async function ask(route: string, init: { method?: string; body?: string; traceparent?: string } = {}) {
  const reply = await fetch(new URL(route, platform.url), {
    method: init.method ?? "GET",
    headers: {
      authorization: `Bearer ${platform.token}`,
      "content-type": "application/x-ndjson",
      ...(init.traceparent === undefined ? {} : { traceparent: init.traceparent }),
    },
    ...(init.body === undefined ? {} : { body: init.body }),
  });
  const body: unknown = JSON.parse(await reply.text());
  return { status: reply.status, headers: reply.headers, body };
}

const sql = (statement: string) => `/api/v1/sql?query=${encodeURIComponent(statement)}`;
const errorOf = (body: unknown) => z.object({ error: z.object({ traceId: z.string() }) }).parse(body).error;

/** The system's own datasets tell within seconds. */
async function told(dataset: string, traceId: string): Promise<unknown[]> {
  let rows: unknown[] = [];
  await until(`system.${dataset} tells of ${traceId}`, async () => {
    const { status, body } = await ask(sql(`SELECT * FROM system.${dataset} WHERE trace_id = '${traceId}'`));
    rows = status === 200 ? z.object({ rows: z.array(z.unknown()) }).parse(body).rows : [];
    return rows.length > 0;
  });
  return rows;
}

test("the trace of a failing query is the client's, in the answer, the logs of edge and worker, and system.queries", async () => {
  const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
  const statement = "SELECT error('planted') AS x";
  const { status, headers, body } = await ask(sql(statement), { traceparent: `00-${traceId}-00f067aa0ba902b7-01` });
  expect(status).toBe(400);
  expect(errorOf(body).traceId).toBe(traceId);
  expect(headers.get("x-trace-id")).toBe(traceId);
  expect(headers.get("traceparent")).toContain(traceId);
  await until("the edge has logged", () => logged(traceId).some(({ message }) => message === "answered"));
  const [job] = logged(traceId).filter(({ room }) => room === "engines");
  expect(job).toMatchObject({
    message: "a worker has a job",
    job: "query",
    queryId: headers.get("millrace-query-id") ?? expect.any(String),
  });
  expect(() => process.kill(Number(job?.pid), 0)).not.toThrow();
  expect(logged(traceId).find(({ room }) => room === "gateway")).toMatchObject({ status: 400, method: "GET" });
  expect(await told("queries", traceId)).toMatchObject([
    { state: "failed", error_code: "sql_runtime", sql: statement },
  ]);
}, 40_000);

test("the trace of a push reaches the worker that converts it, and system.ingests", async () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const { status } = await ask("/api/v1/projects/web/datasets/hits/rows?create=true&ack=committed", {
    method: "POST",
    body: '{"n":1}\n',
    traceparent: `00-${traceId}-b7ad6b7169203331-01`,
  });
  expect(status).toBe(200);
  await until("the edge has logged", () => logged(traceId).some(({ message }) => message === "answered"));
  expect(logged(traceId).filter(({ room, job }) => room === "engines" && job === "script")).not.toEqual([]);
  expect(await told("ingests", traceId)).toMatchObject([{ dataset: "web.hits", rows: 1 }]);
}, 40_000);

test("a request without a trace begins one, which its error names", async () => {
  const first = await ask("/nowhere");
  const second = await ask("/nowhere");
  const ids = [first, second].map(({ headers, body }) => {
    expect(errorOf(body).traceId).toBe(headers.get("x-trace-id"));
    return errorOf(body).traceId;
  });
  expect(ids[0]).not.toBe(ids[1]);
  await until("it is logged", () => ids.every((id) => logged(id).some(({ status }) => status === 404)));
});

test("metrics tell of requests by route and outcome", async () => {
  await ask("/nowhere");
  const metrics = await (await fetch(new URL("/metrics", platform.url))).text();
  expect(metrics).toMatch(/^millrace_http_requests_total\{[^}]*route="none"[^}]*status="4xx"[^}]*\} [1-9]/m);
});

test("when a token was used last outlives the server", { timeout: 40_000 }, async () => {
  const as = (token: string, init: RequestInit = {}) =>
    fetch(new URL("/api/v1/users/owner/tokens", platform.url), {
      ...init,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    });
  const made = await as(platform.token, { method: "POST", body: '{"label":"used once","scopes":["read"]}' });
  const { id, token } = z.object({ id: z.string(), token: z.string() }).parse(await made.json());
  expect((await as(token)).status).toBe(200);
  await platform.end("SIGTERM");
  platform = await startPlatform({ dataDirectory: platform.dataDirectory });
  const listed = z.object({ tokens: z.array(z.object({ id: z.string(), lastUsedAt: z.string().nullable() })) });
  const { tokens } = listed.parse(await (await as(platform.token)).json());
  expect(tokens.find((one) => one.id === id)?.lastUsedAt).toMatch(/^\d{4}-/);
});
