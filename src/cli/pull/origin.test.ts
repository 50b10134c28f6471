import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Origin } from "./origin.ts";

let server: http.Server;
let origin: Origin;
let answer: http.RequestListener;
const forever = new AbortController().signal;

beforeEach(async () => {
  server = http.createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  origin = new Origin({
    url: new URL(`http://127.0.0.1:${port}/some/dataset`),
    token: "mlr_secret",
    limits: { idleMs: 100, smallMs: 300, minBytesPerS: 100_000, graceMs: 50 },
  });
});

afterEach(async () => {
  origin[Symbol.dispose]();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function read(sizeBytes: number): Promise<number> {
  let received = 0;
  for await (const chunk of origin.object("data", "f1620aa", sizeBytes, forever)) received += chunk.length;
  return received;
}

/** Sends a little, again and again. */
function drip(response: http.ServerResponse): void {
  const timer = setInterval(() => response.write("."), 10);
  response.once("close", () => clearInterval(timer));
}

test("asks below the dataset's address, with the token", async () => {
  const seen: (string | undefined)[] = [];
  answer = (request, response) => {
    seen.push(request.url, request.headers.authorization);
    response.end("f1620aa\n");
  };
  expect(await origin.head(forever)).toBe("f1620aa");
  expect(seen).toEqual(["/some/dataset/refs/head", "Bearer mlr_secret"]);
});

test("silence, trickles and early ends pass as unavailable, and no wait is without end", async () => {
  answer = () => {};
  await expect(origin.head(forever)).rejects.toMatchObject({ code: "unavailable" });
  answer = (_request, response) => drip(response);
  await expect(origin.head(forever)).rejects.toMatchObject({ code: "unavailable" });
  await expect(read(1_000_000)).rejects.toMatchObject({ code: "unavailable" });
  answer = (_request, response) => {
    response.writeHead(200, { "content-length": "10" });
    response.write("12345");
    setImmediate(() => response.destroy());
  };
  await expect(read(10)).rejects.toMatchObject({ code: "unavailable" });
  answer = (_request, response) => {
    response.write("12345");
    response.end(); // chunked: it ends as if it were whole
  };
  await expect(read(10)).rejects.toMatchObject({ code: "unavailable" });
  answer = (_request, response) => {
    response.writeHead(503).end();
  };
  await expect(origin.block("f1620aa", forever)).rejects.toMatchObject({ code: "unavailable" });
});

test("what no second try mends is told apart", async () => {
  const told: readonly (readonly [number, Record<string, string>, string])[] = [
    [302, { location: "http://169.254.169.254/" }, "forbidden"],
    [401, {}, "unauthenticated"],
    [403, {}, "forbidden"],
    [404, {}, "not_found"],
    [410, {}, "data_expired"],
    [200, { "content-encoding": "gzip" }, "replica_refused"],
    [206, {}, "replica_refused"],
    [200, { "content-length": "11" }, "replica_refused"],
  ];
  for (const [status, headers, code] of told) {
    answer = (_request, response) => {
      response.writeHead(status, headers);
      response.end("12345678901".slice(0, Number(headers["content-length"] ?? 10)));
    };
    await expect(read(10), `${status}`).rejects.toMatchObject({ code });
  }
});

test("an abort ends the wait with its own reason", async () => {
  answer = () => {};
  const controller = new AbortController();
  const asked = origin.head(controller.signal);
  controller.abort(new Error("interrupted"));
  await expect(asked).rejects.toThrow(/interrupted|abort/i);
});
