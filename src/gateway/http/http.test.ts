import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { inlineResult } from "../../../test/gateway/rooms.ts";
import { serve } from "../../../test/gateway/serve.ts";
import { tempDirectory, until } from "../../../test/kit/index.ts";
import { errorCodes, instant, MillraceError } from "../../base/index.ts";

const rowsPath = "/api/v1/projects/web/datasets/access/rows";
const post = (body: unknown, headers: Record<string, string> = {}) => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "content-type": "application/json", ...headers },
});
const guest = { authorization: "Bearer mlr_guest" };
const code = (body: unknown) => z.object({ error: z.object({ code: z.string() }) }).parse(body).error.code;

describe("SQL", () => {
  test("the worker's bytes come back as they are, with the query's id and the format that was asked for", async () => {
    await using served = await serve();
    const asked: unknown[] = [];
    served.fake.query = async (input) => {
      asked.push([input.sql, input.parameters, input.format, input.rowLimit, input.timeoutMs]);
      return inlineResult("bytes of the worker");
    };
    const replies = [
      await served.ask(
        "/api/v1/sql",
        post({ sql: "SELECT ?", parameters: [1, null, ["a"], { type: "DATE", value: "2030-01-01" }] }),
      ),
      await served.ask("/api/v1/sql?format=csv&rowLimit=5", {
        method: "POST",
        body: "SELECT 2",
        headers: { "content-type": "text/plain" },
      }),
      await served.ask("/api/v1/sql?query=SELECT+3&timeoutMs=9", {
        headers: { accept: "application/vnd.apache.parquet" },
      }),
      await served.ask("/api/v1/sql", post({ sql: "SELECT 4", format: "ndjson" }, { accept: "text/csv" })),
    ];
    expect(asked).toEqual([
      ["SELECT ?", [1, null, ["a"], { type: "DATE", value: "2030-01-01" }], "json", null, null],
      ["SELECT 2", [], "csv", 5, null],
      ["SELECT 3", [], "parquet", null, 9],
      ["SELECT 4", [], "ndjson", null, null],
    ]);
    expect(replies.map((reply) => reply.headers.get("content-type"))).toEqual([
      "application/json; charset=utf-8",
      "text/csv; charset=utf-8",
      "application/vnd.apache.parquet",
      "application/x-ndjson",
    ]);
    for (const reply of replies) {
      expect([reply.status, reply.headers.get("millrace-query-id")]).toEqual([200, "q1"]);
      expect(await reply.text()).toBe("bytes of the worker");
    }
  });

  test.each([
    ["no statement", post({}), 400, "bad_request"],
    ["an unknown member", post({ sql: "x", rowlimit: 1 }), 400, "bad_request"],
    ["no JSON", { ...post({}), body: "{" }, 400, "bad_request"],
    ["no UTF-8", { ...post({}), body: new Uint8Array([0xff, 0xfe]) }, 400, "bad_request"],
    ["a strange type", { method: "POST", body: "x", headers: { "content-type": "image/png" } }, 415, "unknown_format"],
    ["an Accept that nothing fits", post({ sql: "x" }, { accept: "image/png" }), 415, "unknown_format"],
    ["too much", post({ sql: "x".repeat(5_000_000) }), 413, "too_large"],
  ])("%s is refused", async (_name, init, status, expected) => {
    await using served = await serve();
    const reply = await served.json("/api/v1/sql", init);
    expect([reply.status, code(reply.body)]).toEqual([status, expected]);
  });

  test("an error of a query keeps its position, hint and data, and Retry-After where there is one", async () => {
    await using served = await serve();
    served.fake.query = async () => {
      throw new MillraceError("too_many_requests", "Full.", {
        hint: "Wait.",
        position: { offset: 3, line: 1, column: 4 },
        data: { queued: 9 },
        retryAfterS: 2.1,
      });
    };
    const reply = await served.json("/api/v1/sql?query=x");
    expect([reply.status, reply.headers.get("retry-after")]).toEqual([429, "3"]);
    expect(reply.body).toEqual({
      error: {
        code: "too_many_requests",
        message: "Full.",
        hint: "Wait.",
        position: { offset: 3, line: 1, column: 4 },
        data: { queued: 9 },
        traceId: reply.headers.get("x-trace-id"),
      },
    });
  });

  test("a client that goes away cancels its query", async () => {
    await using served = await serve();
    let reason: unknown = null;
    served.fake.query = (_input, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          reason = signal.reason;
          reject(signal.reason);
        });
      });
    const controller = new AbortController();
    const reply = served.ask("/api/v1/sql?query=x", { signal: controller.signal });
    reply.catch(() => {});
    await until("the query was asked", () => served.fake.authenticated > 0);
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    await until("the query is cancelled", () => reason instanceof MillraceError && reason.code === "query_cancelled");
  });

  test("a spooled result streams and is freed; one that breaks in the middle never looks whole", async () => {
    await using served = await serve();
    await using folder = await tempDirectory();
    const file = path.join(folder.path, "result");
    const { writeFile } = await import("node:fs/promises");
    const bytes = Buffer.alloc(3_000_000, "x");
    await writeFile(file, bytes);
    let freed = 0;
    const spooled = (sizeBytes: number) => async () => ({
      ...inlineResult(""),
      body: { kind: "file" as const, path: file, sizeBytes },
      async [Symbol.asyncDispose]() {
        freed++;
      },
    });
    served.fake.query = spooled(bytes.length);
    expect(Buffer.from(await (await served.ask("/api/v1/sql?query=x")).arrayBuffer()).equals(bytes)).toBe(true);
    served.fake.query = spooled(bytes.length + 10);
    const short = served.ask("/api/v1/sql?query=x").then((reply) => reply.arrayBuffer());
    await expect(short).rejects.toThrow();
    await until("both are freed", () => freed === 2);
  });
});

describe("rows", () => {
  test("an absent dataset is not found; with create it is made, once, however many come first", async () => {
    await using served = await serve();
    const push = (query: string) =>
      served.json(`${rowsPath}${query}`, {
        method: "POST",
        body: "{}\n",
        headers: { "content-type": "application/x-ndjson" },
      });
    expect(code((await push("")).body)).toBe("dataset_not_found");
    const replies = await Promise.all(Array.from({ length: 8 }, () => push("?create=true")));
    expect(replies.map(({ status }) => status)).toEqual(Array(8).fill(202));
    expect(replies[0]?.headers.get("location")).toBe("/api/v1/ingests/i1");
    expect((await served.json("/api/v1/projects/web/resources/Dataset")).body).toMatchObject({
      resources: [{ generation: 1 }],
    });
  });

  test("format, encoding, key, acknowledgement and position reach ingest", async () => {
    await using served = await serve();
    const headers = {
      "content-type": "text/csv",
      "content-encoding": "zstd",
      "idempotency-key": "k1",
      "millrace-source": "import:abc",
      "millrace-position": "7",
      "millrace-first-line": "701",
    };
    const query = "?create=1&ack=committed&eventTime=ts&pattern=%5E(%3F%3Ca%3E.*)";
    expect((await served.ask(`${rowsPath}${query}`, { method: "POST", body: "abc", headers })).status).toBe(200);
    expect(served.fake.pushed[0]).toMatchObject({
      bytes: 3,
      input: {
        format: "text:^(?<a>.*)",
        encoding: "zstd",
        ack: "committed",
        idempotencyKey: "k1",
        sourcePosition: { source: "import:abc", position: "7", firstLine: 701 },
        eventTime: "ts",
        by: "owner",
      },
    });
  });

  test.each([
    ["no format", "", {}, "unknown_format"],
    ["an unknown encoding", "?format=csv", { "content-encoding": "br" }, "unknown_format"],
    ["half a position", "?format=csv", { "millrace-source": "s" }, "bad_request"],
    [
      "a file of no import",
      "?format=csv",
      { "millrace-part-file": "0189e4a0-0000-7000-8000-000000000000" },
      "bad_request",
    ],
    ["a file elsewhere", "?format=csv", { "millrace-part-file": "../../../etc/passwd" }, "bad_request"],
    ["an unknown option", "?format=csv&acknowledge=now", {}, "bad_request"],
  ])("%s is refused", async (_name, query, headers, expected) => {
    await using served = await serve();
    const reply = await served.json(`${rowsPath}${query}`, { method: "POST", body: new Uint8Array([1]), headers });
    expect(code(reply.body)).toBe(expected);
  });

  test("a refusal in the middle of a large upload is answered, not reset", async () => {
    await using served = await serve();
    served.fake.push = async ({ body }) => {
      for await (const _chunk of body) throw new MillraceError("too_many_requests", "Full.", { retryAfterS: 1 });
      throw new Error("no chunk came");
    };
    const body = Buffer.alloc(8_000_000, "x");
    const reply = await served.json(`${rowsPath}?create=1&format=csv`, { method: "POST", body });
    expect([reply.status, code(reply.body)]).toEqual([429, "too_many_requests"]);
  });

  test("an upload that breaks off aborts its push", async () => {
    await using served = await serve();
    let failure: unknown = null;
    let begun = false;
    served.fake.push = async ({ body }, signal) => {
      try {
        for await (const _chunk of body) begun = true;
        throw new Error("the body seemed whole");
      } catch (error) {
        failure = error;
        await until("the signal aborts", () => signal.aborted);
        throw error;
      }
    };
    const controller = new AbortController();
    const body = new ReadableStream({ start: (stream) => stream.enqueue(Buffer.from("a,b\n")) });
    const init = { method: "POST", body, duplex: "half", signal: controller.signal } as const;
    served.ask(`${rowsPath}?create=1&format=csv`, init).catch(() => {});
    await until("the upload begins", () => begun);
    controller.abort();
    await until("the push fails", () => failure instanceof MillraceError && failure.code === "bad_request");
  });
});

describe("resources and access", () => {
  const web = post({ kind: "Project", name: "web", labels: { team: "a" }, spec: {} });

  test("apply, read, change by generation, list by label, delete", async () => {
    await using served = await serve();
    expect((await served.json("/api/v1/apply?dryRun=true", web)).body).toMatchObject({
      applied: [{ outcome: "created" }],
    });
    expect((await served.json("/api/v1/resources/Project/web")).status).toBe(404);
    await served.json("/api/v1/apply", web);
    const put = (generation: string) =>
      served.json("/api/v1/resources/Project/web", {
        method: "PUT",
        body: '{"spec":{"a":1}}',
        headers: { "content-type": "application/json", "if-match": generation },
      });
    expect((await put('"1"')).body).toMatchObject({ outcome: "updated", resource: { generation: 2, spec: { a: 1 } } });
    expect((await put("1")).status).toBe(412);
    expect((await put("x")).status).toBe(400);
    expect((await served.json("/api/v1/resources/Project?labels=team%3Db")).body).toEqual({
      resources: [],
      next: null,
    });
    expect((await served.json("/api/v1/diff", web)).body).toMatchObject({
      resources: [{ kind: "Project", differences: [{ path: "spec" }] }],
    });
    expect((await served.ask("/api/v1/resources/Project/web", { method: "DELETE" })).status).toBe(204);
  });

  test("who may not, may not", async () => {
    await using served = await serve();
    await served.json("/api/v1/apply", web);
    const attempts: [string, RequestInit][] = [
      ["/api/v1/apply", web],
      ["/api/v1/apply", post({ kind: "Dataset", project: "web", name: "d", spec: {} })],
      ["/api/v1/projects/web/resources/Dataset/d", { method: "DELETE" }],
      ["/api/v1/users", {}],
      ["/api/v1/users", post({ name: "eve" })],
      ["/api/v1/users/owner/tokens", post({})],
      ["/api/v1/users/owner/password", { ...post({ password: "long enough" }), method: "PUT" }],
      ["/api/v1/users/guest/tokens", post({ scopes: ["admin"] })],
      ["/api/v1/projects/web/members/guest", { ...post({ role: "owner" }), method: "PUT" }],
      ["/api/v1/projects/web/secrets/s3", { ...post({ value: "x" }), method: "PUT" }],
      ["/api/v1/projects/web/datasets/d/grants/guest/admin", { method: "PUT" }],
      ["/api/v1/projects/web/datasets/d/verify", post({})],
      [`${rowsPath}?create=true&format=csv`, post({})],
      ["/api/v1/config", {}],
      ["/api/v1/tasks/task1/cancel", { method: "POST" }],
    ];
    for (const [where, init] of attempts) {
      const headers = { "content-type": "application/json", ...guest };
      const { status } = await served.json(where, { ...init, headers });
      expect([where, status]).toEqual([where, 403]);
    }
    expect((await served.json("/api/v1/tasks", { headers: guest })).body).toMatchObject({ tasks: [{ id: "task1" }] });
    expect((await served.json("/api/v1/users/guest/tokens", post({}, guest))).status).toBe(201);
  });

  test("kinds that hold secrets cannot be applied, and secrets and secret settings are not shown", async () => {
    await using served = await serve();
    expect(code((await served.json("/api/v1/apply", post({ kind: "Token", name: "t", spec: {} }))).body)).toBe(
      "bad_manifest",
    );
    expect((await served.json("/api/v1/projects/web/secrets")).body).toEqual({
      secrets: [{ name: "s3", updatedAt: "1970-01-01T00:00:00.000Z" }],
    });
    const config = await served.json("/api/v1/config");
    expect(config.body).toMatchObject({
      settings: [
        { name: "http.port", value: 8080, origin: "default" },
        { name: "postgres", value: null },
      ],
    });
  });

  test("bad names and unknown routes say what is wrong", async () => {
    await using served = await serve();
    expect(code((await served.json("/api/v1/projects/We_b/datasets")).body)).toBe("bad_name");
    expect(code((await served.json("/api/v1/nothing")).body)).toBe("not_found");
    expect(code((await served.json("/api/v1/sql", { method: "PUT" })).body)).toBe("not_found");
  });
});

describe("datasets, tasks, events", () => {
  test("a dataset, its blocks in pages, its slices, and its verification line by line", async () => {
    await using served = await serve();
    await served.ask(`${rowsPath}?create=1&format=csv`, { method: "POST", body: "a" });
    const at = "/api/v1/projects/web/datasets/access";
    expect((await served.json(at)).body).toMatchObject({
      datasetId: "did:odf:web.access",
      seq: 3,
      rows: 10,
      schema: [{ name: "offset" }],
    });
    expect((await served.json(`${at}/blocks?limit=3`)).body).toMatchObject({
      blocks: [{ seq: 3 }, { seq: 2 }, { seq: 1 }],
      next: 1,
    });
    expect((await served.json(`${at}/blocks?before=1`)).body).toMatchObject({ blocks: [{ seq: 0 }], next: null });
    expect((await served.json(`${at}/slices`)).body).toMatchObject({ slices: [{ hash: "f1620bb", rows: 10 }] });
    const lines = (await (await served.ask(`${at}/verify`, post({ level: "chain" }))).text()).trim().split("\n");
    expect(JSON.parse(lines.at(-1) ?? "")).toEqual({
      report: { ok: true, blocks: 4, slices: 1, superseded: 0, expired: 0, rows: 10, broken: null, rebuilt: null },
    });
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ progress: { total: 2 } });
  });

  test("events resume after the last one seen, and only those of visible projects come", async () => {
    await using served = await serve();
    const add = (position: number, project: string | null) =>
      served.fake.events.push({
        position,
        id: `e${position}`,
        at: instant(0),
        type: "t",
        subject: "s\n\nevent: forged",
        project,
        data: {},
      });
    for (let position = 1; position <= 3; position++) add(position, position === 2 ? null : "web");
    expect((await served.json("/api/v1/events?after=1", { headers: guest })).body).toMatchObject({
      events: [{ position: 3 }],
      next: 3,
    });
    const last = async (query: string) => {
      const { status, body } = await served.json(`/api/v1/events?${query}`, { headers: guest });
      return status === 200 ? z.object({ events: z.array(z.object({ position: z.int() })) }).parse(body) : status;
    };
    expect(await last("last=2")).toEqual({ events: [{ position: 1 }, { position: 3 }] });
    expect(await last("last=1")).toEqual({ events: [{ position: 3 }] });
    expect(await last("last=5&before=3")).toEqual({ events: [{ position: 1 }] });
    expect(await last("last=5&after=1")).toBe(400);
    const stream = await served.ask("/api/v1/events/stream", { headers: { ...guest, "last-event-id": "1" } });
    expect(stream.headers.get("content-type")).toBe("text/event-stream");
    let text = "";
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    const readUntil = async (wanted: string) => {
      while (!text.includes(wanted)) text += (await reader?.read())?.value ?? "(end)";
    };
    await readUntil("id: 3");
    add(4, null);
    add(5, "web");
    await readUntil("id: 5");
    expect([...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => id)).toEqual(["3", "5"]);
    expect(text).not.toMatch(/^event: forged/m);
    await reader?.cancel();
  });
});

describe("the description", () => {
  test("is a document of OpenAPI 3.1 whose references all resolve and which names every route", async () => {
    await using served = await serve();
    const { body } = await served.json("/api/v1/openapi.json", { headers: { authorization: "x" } });
    const document = z
      .object({
        openapi: z.literal("3.1.0"),
        paths: z.record(z.string(), z.record(z.string(), z.unknown())),
        components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
      })
      .parse(body);
    const text = JSON.stringify(body);
    for (const [, name = ""] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
      expect(Object.keys(document.components.schemas)).toContain(name);
    expect(text).not.toContain("#/$defs");
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(["Error", "Dataset", "Query", "IngestReceipt"]),
    );
    const operations = Object.values(document.paths).flatMap((of) => Object.values(of));
    const ids = operations.map((of) => z.object({ operationId: z.string() }).parse(of).operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const guide = await readFile(new URL("../../../docs/api.md", import.meta.url), "utf8");
    for (const [where, of] of Object.entries(document.paths)) {
      for (const method of Object.keys(of)) expect(guide).toContain(`${method.toUpperCase()} ${where}`);
    }
  });

  test("docs/errors.md explains every error code, with its status, and no other", async () => {
    const text = await readFile(new URL("../../../docs/errors.md", import.meta.url), "utf8");
    const told = [...text.matchAll(/^\| `([a-z_]+)` \| (\d+) \| `([0-9A-Z]{5})` \| \S/gm)].map(
      ([, name, status, sqlstate]) => [name, Number(status), sqlstate],
    );
    const real = Object.entries(errorCodes).map(([name, { status, sqlstate }]) => [name, status, sqlstate]);
    expect(told.sort()).toEqual(real.sort());
  });
});
