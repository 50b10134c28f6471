import { once } from "node:events";
import net from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { serve } from "../../../test/gateway/serve.ts";
import { until } from "../../../test/kit/index.ts";
import { idSource, seededRandom, systemClock } from "../../base/index.ts";
import { decideTls, isLoopback } from "./bind.ts";
import { readCredentials } from "./credentials.ts";
import { traceOf } from "./trace.ts";

/** Sends bytes as they are and gives all that comes back until the server ends the connection. */
async function raw(port: number, text: string): Promise<string> {
  const socket = net.connect(port, "127.0.0.1");
  await once(socket, "connect");
  let reply = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    reply += chunk;
  });
  socket.on("error", () => {});
  socket.write(text);
  await once(socket, "close");
  return reply;
}

describe("where it listens", () => {
  test.each([
    ["127.0.0.1", true],
    ["127.8.9.1", true],
    ["::1", true],
    ["localhost", true],
    ["::ffff:127.0.0.1", true],
    ["0.0.0.0", false],
    ["::", false],
    ["10.0.0.1", false],
    ["127.0.0.1.example.com", false],
  ])("%s is loopback: %s", (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });

  test("a public address without TLS is refused, unless it is allowed", async () => {
    const bind = { host: "0.0.0.0", port: 0, tlsCertificate: null, tlsKey: null, allowPlaintext: false };
    await expect(decideTls(bind)).rejects.toMatchObject({ code: "bad_config" });
    await expect(decideTls({ ...bind, allowPlaintext: true })).resolves.toBeNull();
    await expect(decideTls({ ...bind, tlsKey: "/k" })).rejects.toMatchObject({ code: "bad_config" });
  });
});

describe("who comes in", () => {
  test("Basic carries a password, which may hold colons, or a token", () => {
    const basic = (text: string) => readCredentials(`Basic ${Buffer.from(text).toString("base64")}`, "10.0.0.1");
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z]{1,8}$/),
        fc.string({ unit: "grapheme", minLength: 1 }),
        (user, password) => {
          fc.pre(!password.startsWith("mlr_"));
          expect(basic(`${user}:${password}`)).toEqual({ kind: "password", user, password, address: "10.0.0.1" });
        },
      ),
    );
    expect(basic("anyone:mlr_x")).toEqual({ kind: "token", token: "mlr_x" });
  });

  test("no, odd or wrong credentials are 401 with WWW-Authenticate, and say nothing of routes", async () => {
    await using served = await serve();
    for (const authorization of ["", "Bearer wrong", "Digest x", "Basic %%%", "Bearer"]) {
      for (const path of ["/api/v1", "/api/v1/sql?query=1", "/nowhere"]) {
        const { status, headers, body } = await served.json(path, { headers: { authorization } });
        expect([status, headers.get("www-authenticate")?.slice(0, 6)]).toEqual([401, "Bearer"]);
        expect(body).toMatchObject({
          error: { code: "unauthenticated", traceId: expect.stringMatching(/^[0-9a-f]{32}$/) },
        });
      }
    }
    expect((await served.ask("/healthz", { headers: { authorization: "x" } })).status).toBe(200);
  });

  test("a body that nobody may send is refused before it is read", async () => {
    await using served = await serve();
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(64 * 1024));
      },
    });
    const init = { method: "POST", body, duplex: "half", headers: { authorization: "Bearer wrong" } } as const;
    const reply = await served.ask("/api/v1/projects/web/datasets/access/rows?format=ndjson", init);
    expect(reply.status).toBe(401);
    expect(served.fake.pushed).toEqual([]);
  });

  test("a page of another site cannot write with credentials that a browser remembers", async () => {
    await using served = await serve();
    const authorization = `Basic ${Buffer.from("owner:correct horse").toString("base64")}`;
    const write = (origin: string) =>
      served.ask("/api/v1/sql", { method: "POST", body: "{}", headers: { authorization, origin } });
    expect((await write("https://evil.example")).status).toBe(403);
    expect((await write("null")).status).toBe(403);
    expect((await write(served.gateway.url)).status).toBe(200);
  });

  test("/metrics is open on loopback, to loopback names only, and only where configured", async () => {
    await using open = await serve({ metricsOpen: true });
    await using closed = await serve({ metricsOpen: false });
    const anonymous = { headers: { authorization: "x" } };
    expect(await (await open.ask("/metrics", anonymous)).text()).toBe("up 1\n");
    expect((await closed.ask("/metrics", anonymous)).status).toBe(401);
    expect((await closed.ask("/metrics")).status).toBe(200);
    const rebound = await raw(open.port, "GET /metrics HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
    expect(rebound).toMatch(/^HTTP\/1.1 401/);
  });
});

describe("the trace", () => {
  const ids = idSource(systemClock, seededRandom(1));
  test("a valid traceparent is kept; anything else begins a new trace", () => {
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    expect(traceOf(`00-${trace}-00f067aa0ba902b7-01`, ids)).toBe(trace);
    expect(traceOf(`cc-${trace}-00f067aa0ba902b7-01-more`, ids)).toBe(trace);
    const wrong = [
      `ff-${trace}-00f067aa0ba902b7-01`,
      `00-${"0".repeat(32)}-00f067aa0ba902b7-01`,
      `00-${trace}-00f067aa0ba902b7-01-x`,
    ];
    for (const header of wrong) expect(traceOf(header, ids)).not.toBe(trace);
    fc.assert(fc.property(fc.string(), (header) => /^[0-9a-f]{32}$/.test(traceOf(header, ids))));
  });

  test("goes from the request to the room, the answer and the log", async () => {
    await using served = await serve();
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let seen = "";
    served.fake.query = async (input) => {
      seen = input.traceId;
      throw new Error("a bug with mlr_secret");
    };
    const headers = { traceparent: `00-${trace}-00f067aa0ba902b7-01` };
    const reply = await served.json("/api/v1/sql?query=SELECT+1", { headers });
    expect(seen).toBe(trace);
    expect(reply.status).toBe(500);
    expect(reply.headers.get("x-trace-id")).toBe(trace);
    expect(reply.headers.get("traceparent")).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
    expect(reply.body).toMatchObject({ error: { code: "internal", traceId: trace } });
    expect(JSON.stringify(reply.body)).not.toContain("a bug");
    const told = served.logged.find(({ level }) => level === "error");
    expect(told?.fields).toMatchObject({ traceId: trace, error: { cause: { message: "a bug with mlr_secret" } } });
  });
});

describe("malformed and slow clients", () => {
  test.each([
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\r\n\r\n", 400],
    ["two lengths that differ", "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400],
    [
      "length and chunks",
      "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
    ],
    ["a header beyond the limit", `GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(40_000)}\r\n\r\n`, 431],
    ["a path that cannot be decoded", "GET /%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 400],
    ["a head that never ends", "GET / HTTP/1.1\r\nhost: x\r\n", 408],
  ])("%s", async (_name, text, status) => {
    await using served = await serve({ limits: { headersMs: 200 } });
    const reply = await raw(served.port, text);
    expect(reply).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(reply).toMatch(/"traceId":"[0-9a-f]{32}"/);
    expect((await served.ask("/healthz")).status).toBe(200);
  });

  test("random bytes never take the server down", async () => {
    await using served = await serve({ limits: { headersMs: 200 } });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const socket = net.connect(served.port, "127.0.0.1");
        socket.on("error", () => {});
        socket.end(Buffer.concat([Buffer.from("POST /api/v1/sql HTTP/1.1\r\n"), bytes, Buffer.from("\r\n\r\n")]));
        socket.resume();
        await once(socket, "close");
        expect((await served.ask("/healthz")).status).toBe(200);
      }),
      { numRuns: 50 },
    );
  });

  test("a body that stalls is answered 408 and its reader is freed", async () => {
    await using served = await serve({ limits: { body: { idleMs: 100, minBytesPerS: 1, graceMs: 60_000 } } });
    await served.ask("/api/v1/apply", { method: "POST", body: '{"kind":"Project","name":"web","spec":{}}' });
    const head =
      "POST /api/v1/projects/web/datasets/a/rows?create=1&format=csv HTTP/1.1\r\nhost: x\r\nauthorization: Bearer mlr_owner\r\n";
    const reply = raw(served.port, `${head}connection: close\r\ncontent-length: 100\r\n\r\nabc`);
    expect(await reply).toMatch(/^HTTP\/1.1 408 [\s\S]*"request_timeout"/);
  });

  test("a client that takes nothing of its answer is cut off", async () => {
    await using served = await serve({ limits: { stallMs: 100 } });
    const file = process.execPath; // large enough that no socket buffer holds it
    let isDisposed = false;
    served.fake.query = async () => ({
      queryId: "q" as never,
      format: "json",
      rows: 1,
      truncated: false,
      body: { kind: "file", path: file, sizeBytes: 50_000_000 },
      async [Symbol.asyncDispose]() {
        isDisposed = true;
      },
    });
    const socket = net.connect(served.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.pause();
    socket.write("GET /api/v1/sql?query=1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer mlr_owner\r\n\r\n");
    await until("the result is freed", () => isDisposed);
    socket.destroy();
  });
});

describe("the end", () => {
  test("running requests are answered, streams end, new ones are refused, then nothing listens", async () => {
    const served = await serve();
    const { promise: finish, resolve: finishQuery } = Promise.withResolvers<void>();
    let isRunning = false;
    const answer = served.fake.query;
    served.fake.query = async (input, signal) => {
      isRunning = true;
      await finish;
      return await answer(input, signal);
    };
    const kept = net.connect(served.port, "127.0.0.1");
    kept.on("error", () => {});
    await once(kept, "connect");
    let replies = "";
    kept.setEncoding("utf8").on("data", (chunk: string) => {
      replies += chunk;
    });
    const stream = await served.ask("/api/v1/events/stream");
    kept.write("GET /api/v1/sql?query=1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer mlr_owner\r\n\r\n");
    await until("the query runs", () => isRunning);
    const stopped = served.gateway.stop();
    expect(await stream.text()).toContain("retry:");
    const active = (count: number) => async () => (await served.exposed()).includes(`http_requests_active ${count}\n`);
    await until("the stream has ended", active(1));
    kept.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    await until("the late request is seen", active(2));
    finishQuery();
    await until("both are answered", () => replies.includes("shutting_down"));
    expect(replies).toMatch(/^HTTP\/1.1 200 [\s\S]*HTTP\/1.1 503 [\s\S]*retry-after: 5/i);
    await stopped;
    await expect(fetch(served.gateway.url)).rejects.toThrow();
    await served.gateway.stop();
  });

  test("what does not end in time is aborted with shutting_down", async () => {
    const served = await serve({ limits: { drainMs: 50 } });
    let isRunning = false;
    served.fake.query = (_input, signal) =>
      new Promise((_resolve, reject) => {
        isRunning = true;
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    const running = served.json("/api/v1/sql?query=1");
    await until("the query runs", () => isRunning);
    await served.gateway.stop();
    expect(await running).toMatchObject({ status: 503, body: { error: { code: "shutting_down" } } });
  });
});
