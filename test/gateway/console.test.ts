import { once } from "node:events";
import { mkdir, symlink, utimes, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { type Served, serve } from "./serve.ts";

const page = "<!doctype html><title>Millrace</title>";
const script = "console.log('the console');\n".repeat(50);
let folder: TempDirectory;
let dist: string;

beforeAll(async () => {
  folder = await tempDirectory();
  dist = path.join(folder.path, "dist");
  await mkdir(path.join(dist, "assets"), { recursive: true });
  await writeFile(path.join(folder.path, "secret.js"), "the secret");
  await symlink(path.join(folder.path, "secret.js"), path.join(dist, "linked.js"));
  await write("index.html", page, 60);
  await writeFile(path.join(dist, "notes.unknown"), "of no known type");
  await writeFile(path.join(dist, "assets", "index-3f2a.js"), script);
  await writeFile(path.join(dist, "assets", "index-3f2a.js.br"), brotliCompressSync(script));
  await writeFile(path.join(dist, "assets", "index-3f2a.js.gz"), gzipSync(script));
});
afterAll(async () => await folder?.[Symbol.asyncDispose]());

/** A file of a build that was made so long ago. */
async function write(name: string, text: string, agoS: number): Promise<void> {
  const file = path.join(dist, name);
  await writeFile(file, text);
  const at = Date.now() / 1000 - agoS;
  await utimes(file, at, at);
}

/** As it is, without credentials, and with a path that no library tidies. */
async function ask(
  served: Served,
  target: string,
  headers: Record<string, string> = {},
  method = "GET",
): Promise<{ status: number; headers: Map<string, string>; body: Buffer }> {
  const socket = net.connect(served.port, "127.0.0.1");
  await once(socket, "connect");
  const lines = Object.entries({ host: "127.0.0.1", connection: "close", ...headers }).map(([k, v]) => `${k}: ${v}`);
  socket.write(`${method} ${target} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  const all = Buffer.concat(await socket.toArray());
  const split = all.indexOf("\r\n\r\n");
  const [first = "", ...rest] = all.subarray(0, split).toString("latin1").split("\r\n");
  return {
    status: Number(first.split(" ")[1]),
    headers: new Map(rest.map((line) => [line.split(":")[0]?.toLowerCase() ?? "", line.replace(/^[^:]*: */, "")])),
    body: all.subarray(split + 4),
  };
}
const html = { accept: "text/html,application/xhtml+xml" };

test("a browser gets the page for / and for every deep link, with headers that keep others out", async () => {
  await using served = await serve({ consoleDirectory: dist });
  for (const target of ["/", "/datasets/web/access?tab=chain", "/apidocs", "/%F0%9F%8C%8A", "/datasets/a%2Fb"]) {
    const reply = await ask(served, target, html);
    expect([reply.status, reply.body.toString()], target).toEqual([200, page]);
    expect(reply.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(reply.headers.get("cache-control")).toBe("no-cache");
    expect(reply.headers.get("x-content-type-options")).toBe("nosniff");
    expect(reply.headers.get("referrer-policy")).toBe("no-referrer");
    expect(reply.headers.get("cross-origin-opener-policy")).toBe("same-origin");
    expect(reply.headers.get("permissions-policy")).toContain("camera=()");
    const policy = reply.headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/script-src[^;]*unsafe|(^|[^-])style-src [^;]*unsafe/);
  }
});

test("the API's paths are no pages, and what nobody knows still asks who asks", async () => {
  await using served = await serve({ consoleDirectory: dist });
  for (const target of ["/api", "/api/v1/nothing", "/odf/x", "/metrics/x", "/livez"]) {
    expect((await ask(served, target, html)).status, target).toBe(401);
  }
  expect((await ask(served, "/datasets", { accept: "application/json" })).status).toBe(401);
  expect((await ask(served, "/datasets", html, "POST")).status).toBe(401);
  expect((await ask(served, "/datasets", html, "DELETE")).status).toBe(401);
  expect((await served.ask("/datasets")).status).toBe(404);
});

test("an asset is kept for ever and comes compressed as the client takes it", async () => {
  await using served = await serve({ consoleDirectory: dist });
  const asset = "/assets/index-3f2a.js";
  const plain = await ask(served, asset);
  expect([plain.status, plain.body.toString(), plain.headers.get("content-encoding")]).toEqual([
    200,
    script,
    undefined,
  ]);
  expect(plain.headers.get("content-type")).toBe("text/javascript; charset=utf-8");
  expect(plain.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  expect(plain.headers.get("vary")).toBe("accept-encoding");
  const br = await ask(served, asset, { "accept-encoding": "gzip, deflate, br;q=0.9" });
  expect([br.headers.get("content-encoding"), brotliDecompressSync(br.body).toString()]).toEqual(["br", script]);
  const gz = await ask(served, asset, { "accept-encoding": "br;q=0, gzip" });
  expect([gz.headers.get("content-encoding"), gunzipSync(gz.body).toString()]).toEqual(["gzip", script]);
  const head = await ask(served, asset, {}, "HEAD");
  expect([head.status, head.headers.get("content-length"), head.body.length]).toEqual([200, String(script.length), 0]);
  expect((await ask(served, "/assets/index-0000.js", html)).status).toBe(404);
});

test("index.html is asked for anew, and not sent again while it is the same", async () => {
  await using served = await serve({ consoleDirectory: dist });
  const etag = (await ask(served, "/", html)).headers.get("etag") ?? "";
  const again = await ask(served, "/datasets", { ...html, "if-none-match": `W/"x", ${etag}` });
  expect([again.status, again.body.length]).toEqual([304, 0]);
  expect((await ask(served, "/", { ...html, "if-none-match": '"other"' })).status).toBe(200);
  await write("index.html", `${page}<p>new</p>`, 30);
  const renewed = await ask(served, "/", { ...html, "if-none-match": etag });
  expect([renewed.status, renewed.body.toString()]).toEqual([200, `${page}<p>new</p>`]);
  await write("index.html", page, 60);
});

test("what a build writes behind its index.html is found, too", async () => {
  await using served = await serve({ consoleDirectory: dist });
  await write("index.html", page, 1);
  expect((await ask(served, "/assets/late-1.js")).status).toBe(404);
  await write("assets/late-1.js", "late", 0);
  expect((await ask(served, "/assets/late-1.js")).status).toBe(200);
  await write("index.html", page, 60);
  expect((await ask(served, "/assets/late-1.js")).status).toBe(200);
});

test("no path leads out of the folder", async () => {
  await using served = await serve({ consoleDirectory: dist });
  const hostile = [
    "/../secret.js",
    "/assets/../../secret.js",
    "/..%2fsecret.js",
    "/%2e%2e/secret.js",
    "/%2e%2e%2fsecret.js",
    "/assets/%2e%2e/%2e%2e/secret.js",
    "/..\\secret.js",
    "/%5c..%5csecret.js",
    "//secret.js",
    "/./../secret.js",
    "/linked.js",
    "/notes.unknown",
    `${folder.path}/secret.js`,
    `/${folder.path}/secret.js`,
    "/secret.js%00.html",
    "/%c0%ae%c0%ae/secret.js",
    "/__proto__",
    "/constructor",
  ];
  for (const target of hostile) {
    for (const headers of [{}, html]) {
      const reply = await ask(served, target, headers);
      expect(reply.body.toString(), target).not.toContain("the secret");
      expect(reply.body.toString(), target).not.toContain("no known type");
      expect([200, 400, 401, 404], target).toContain(reply.status);
      if (reply.status === 200) expect(reply.body.toString(), target).toBe(page);
    }
  }
});

test("where nothing is built, a plain page says how to build it", async () => {
  await using served = await serve({ consoleDirectory: path.join(folder.path, "absent") });
  for (const target of ["/", "/datasets"]) {
    const reply = await ask(served, target, html);
    expect([reply.status, reply.headers.get("content-type")]).toEqual([503, "text/plain; charset=utf-8"]);
    expect(reply.body.toString()).toContain("npm run build:console");
  }
  expect((await ask(served, "/healthz", html)).status).toBe(200);
});
