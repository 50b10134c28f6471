import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import https from "node:https";
import net from "node:net";
import path from "node:path";
import tls from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { selfSigned } from "../kit/certificate.ts";
import { type TempDirectory, tempDirectory } from "../kit/index.ts";
import { millrace, startPlatform } from "../kit/platform.ts";
import { serve } from "./serve.ts";

const pair = selfSigned();
const other = selfSigned();
let folder: TempDirectory;
let files: { tlsCertificate: string; tlsKey: string };

beforeAll(async () => {
  folder = await tempDirectory();
  files = { tlsCertificate: await file("cert.pem", pair.certificate), tlsKey: await file("key.pem", pair.key) };
});
afterAll(async () => await folder?.[Symbol.asyncDispose]());

async function file(name: string, text: string): Promise<string> {
  const where = path.join(folder.path, name);
  await writeFile(where, text, { mode: 0o600 });
  return where;
}

function get(port: number, route: string, options: https.RequestOptions): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = https.get({ host: "127.0.0.1", port, path: route, ...options }, async (reply) => {
      const body = (await reply.setEncoding("utf8").toArray()).join("");
      resolve({ status: reply.statusCode ?? 0, body });
    });
    request.once("error", reject);
  });
}

test("a client that trusts the certificate is answered; one that does not, and one without TLS, are not", async () => {
  await using served = await serve({ bind: files });
  expect(served.gateway.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  const headers = { authorization: "Bearer mlr_owner" };
  const reply = await get(served.port, "/api/v1", { ca: pair.certificate, headers });
  expect([reply.status, JSON.parse(reply.body)]).toMatchObject([200, { user: "owner" }]);
  await expect(get(served.port, "/api/v1", { headers })).rejects.toMatchObject({ code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  await expect(get(served.port, "/api/v1", { ca: other.certificate, headers })).rejects.toThrow();
  const old: https.RequestOptions = { ca: pair.certificate, headers, maxVersion: "TLSv1.1", minVersion: "TLSv1" };
  await expect(get(served.port, "/api/v1", old)).rejects.toThrow();

  const plain = net.connect(served.port, "127.0.0.1");
  plain.end("GET /api/v1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer mlr_owner\r\n\r\n");
  let answer = "";
  plain.setEncoding("latin1").on("data", (chunk: string) => {
    answer += chunk;
  });
  plain.on("error", () => {});
  await once(plain, "close");
  expect(answer).not.toContain("HTTP/1.1 200");
  expect((await get(served.port, "/healthz", { ca: pair.certificate })).status).toBe(200);
});

test("what speaks is at least TLS 1.2", async () => {
  await using served = await serve({ bind: files });
  const socket = tls.connect({ host: "127.0.0.1", port: served.port, ca: pair.certificate });
  await once(socket, "secureConnect");
  expect(socket.authorized).toBe(true);
  expect(["TLSv1.2", "TLSv1.3"]).toContain(socket.getProtocol());
  socket.destroy();
});

test.each([
  ["another pair's key", () => other.key],
  ["no key at all", () => "nothing of the kind\n"],
])("a certificate with %s is refused before anything listens", async (name, text) => {
  const tlsKey = await file(`${name.replaceAll(" ", "-")}.pem`, text());
  await expect(serve({ bind: { ...files, tlsKey } })).rejects.toMatchObject({ code: "bad_config" });
});

test("the platform serves TLS on any address, and the command line verifies it", { timeout: 60_000 }, async () => {
  const environment = { MILLRACE_HTTP_TLS_CERTIFICATE: files.tlsCertificate, MILLRACE_HTTP_TLS_KEY: files.tlsKey };
  const dataDirectory = path.join(folder.path, "data");
  await using platform = await startPlatform({ dataDirectory, flags: ["--host", "0.0.0.0"], environment });
  expect(platform.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  const local = { MILLRACE_URL: platform.url, MILLRACE_TOKEN: platform.token };
  const trusting = { ...local, NODE_EXTRA_CA_CERTS: files.tlsCertificate };
  const asked = ["sql", "SELECT 42 AS n", "--format", "csv"];
  expect(await millrace(asked, undefined, trusting)).toMatchObject({ code: 0, stdout: "n\n42\n" });
  const refused = await millrace(asked, undefined, local);
  expect([refused.code, refused.stdout]).toEqual([1, ""]);
  expect(refused.stderr).toContain("NODE_EXTRA_CA_CERTS");
});

test("a public address without TLS is refused before anything is made, unless it is allowed", {
  timeout: 60_000,
}, async () => {
  const dataDirectory = path.join(folder.path, "public");
  const flags = ["--host", "0.0.0.0", "--data-dir", dataDirectory, "--port", "0"];
  const refused = await millrace(["up", ...flags]);
  expect([refused.code, refused.stdout]).toEqual([1, ""]);
  expect(refused.stderr).toContain("http.allowPlaintext");
  expect(refused.stderr).toContain("(bad_config");
  expect(existsSync(dataDirectory)).toBe(false);
  await using platform = await startPlatform({
    dataDirectory,
    flags: ["--host", "0.0.0.0", "--http.allowPlaintext", "true"],
  });
  expect((await fetch(new URL("/healthz", platform.url))).status).toBe(200);
});
