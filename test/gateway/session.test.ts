import { writeFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { instant, systemClock, userName } from "../../src/base/index.ts";
import { administrationDoor } from "../../src/server/views.ts";
import { type OpenIdentity, openIdentity } from "../identity/open.ts";
import { selfSigned } from "../kit/certificate.ts";
import { fakeClock, tempDirectory } from "../kit/index.ts";
import { type Served, serve } from "./serve.ts";

// How a browser signs in, before the real identity.

const password = "a long password of bert";
const hourMs = 3_600_000;
let open: OpenIdentity;
let served: Served;
let origin: string;

beforeAll(async () => {
  open = await openIdentity();
  served = await serve({ rooms: { access: open.identity, administration: administrationDoor(open.identity) } });
  origin = served.gateway.url;
  await open.identity.createUser({ name: userName("bert"), password }, open.owner.user);
});
afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  await open?.[Symbol.asyncDispose]();
});

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** As a browser asks that shows a page of `from`; null: no page asks. */
async function browse(
  method: string,
  route: string,
  options: {
    cookie?: string;
    body?: unknown;
    from?: string | null;
    site?: string;
    headers?: Record<string, string>;
  } = {},
): Promise<Reply> {
  const { cookie, body, from = origin, site } = options;
  const reply = await fetch(new URL(route, origin), {
    method,
    headers: {
      ...(from === null || method === "GET" ? {} : { origin: from }),
      ...(site === undefined ? {} : { "sec-fetch-site": site }),
      ...(cookie === undefined ? {} : { cookie }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...options.headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  return { status: reply.status, headers: reply.headers, body: text === "" ? null : JSON.parse(text) };
}
async function signIn(body: unknown): Promise<string> {
  const reply = await browse("POST", "/api/v1/session", { body });
  expect(reply.status).toBe(200);
  return cookieOf(reply);
}
const cookieOf = (reply: Reply) => (reply.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
const code = (reply: Reply) => z.object({ error: z.object({ code: z.string() }) }).parse(reply.body).error.code;
const sessionsOf = async (user: string) =>
  (await open.identity.listTokens(userName(user))).filter(({ label }) => label === "console");

describe("first start", () => {
  test("the owner signs in with the first token, sets a password in that session, and is asked no more", async () => {
    const before = await browse("GET", "/api/v1/session");
    expect([before.status, before.body]).toEqual([
      200,
      { who: null, setUp: { needed: true, tokenFile: "/data/owner.token" } },
    ]);
    const cookie = await signIn({ token: open.ownerToken });
    const set = { cookie, body: { password: "a password of the owner" } };
    expect((await browse("PUT", "/api/v1/users/owner/password", set)).status).toBe(204);
    expect((await browse("GET", "/api/v1/session", { cookie })).body).toMatchObject({
      who: { user: "owner", isOwner: true, scopes: ["admin"] },
      setUp: { needed: false },
    });
    await signIn({ user: "owner", password: "a password of the owner" });
  });

  test("the token's place is told to this machine only, under a name of its own", async () => {
    // By hand, because fetch does not let a host be said.
    const headers = { host: "attacker.example" };
    const asked = await new Promise<string>((resolve, reject) => {
      http
        .get({ host: "127.0.0.1", port: served.port, path: "/api/v1/session", headers }, (reply) => {
          reply
            .setEncoding("utf8")
            .toArray()
            .then((parts) => resolve(parts.join("")), reject);
        })
        .on("error", reject);
    });
    expect(JSON.parse(asked)).toMatchObject({ setUp: { tokenFile: null } });
  });
});

describe("a session", () => {
  test("is a token that no script can read, listed like others, and ends when it is signed out", async () => {
    const reply = await browse("POST", "/api/v1/session", { body: { user: "bert", password } });
    expect([reply.status, reply.body]).toMatchObject([200, { user: "bert", isOwner: false, version: "0.0.0" }]);
    const said = reply.headers.get("set-cookie") ?? "";
    expect(said).toMatch(
      /^millrace_session=mlr_[0-9a-f]{12}_[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/; Max-Age=\d+$/,
    );
    const maxAgeS = Number(/Max-Age=(\d+)/.exec(said)?.[1]);
    expect(Math.abs(maxAgeS - 30 * 24 * 3_600)).toBeLessThan(60);
    const cookie = cookieOf(reply);
    expect((await browse("GET", "/api/v1", { cookie })).body).toMatchObject({ user: "bert" });
    expect(await sessionsOf("bert")).toHaveLength(1);
    const out = await browse("DELETE", "/api/v1/session", { cookie });
    expect([out.status, cookieOf(out)]).toEqual([204, "millrace_session="]);
    expect(await sessionsOf("bert")).toHaveLength(0);
    expect((await browse("GET", "/api/v1", { cookie })).status).toBe(401);
    expect((await browse("DELETE", "/api/v1/session", { cookie })).status).toBe(204);
  });

  test("reaches no further and lives no longer than the token it came from; that one stays", async () => {
    const wanted = { user: open.owner.user, label: "t", scopes: ["read", "project:web"], mintedBy: null };
    const expiresAt = instant(systemClock.now() + hourMs);
    const { id, token } = await open.identity.createToken({ ...wanted, expiresAt }, open.owner.user);
    const cookie = await signIn({ token });
    expect((await browse("GET", "/api/v1/session", { cookie })).body).toMatchObject({
      who: { scopes: ["read", "project:web"] },
    });
    const [session] = (await sessionsOf("owner")).filter((one) => one.scopes.includes("project:web"));
    expect(session?.expiresAt).toBe(expiresAt);
    const put = { cookie, body: { password: "a password of a thief" } };
    expect((await browse("PUT", "/api/v1/users/owner/password", put)).status).toBe(403);
    await fetch(new URL("/api/v1/session", origin), {
      method: "DELETE",
      headers: { authorization: `Bearer ${token}` },
    });
    expect((await open.identity.listTokens(open.owner.user)).map((one) => one.id)).toContain(id);
    await open.identity.revokeToken(session?.id ?? "", open.owner.user);
    expect((await browse("GET", "/api/v1", { cookie })).status).toBe(401);
  });

  test("of others end when a password is set, and that of the one who sets it goes on; tokens of programs stay", async () => {
    const name = userName("emma");
    await open.identity.createUser({ name, password }, open.owner.user);
    const signIn = async (secret: string) =>
      cookieOf(await browse("POST", "/api/v1/session", { body: { user: "emma", password: secret } }));
    const [here, elsewhere] = [await signIn(password), await signIn(password)];
    const { token } = await open.identity.createToken({ user: name, label: "job", scopes: ["read"] }, name);
    const changed = { body: { password: "another password of emma" }, cookie: here };
    expect((await browse("PUT", "/api/v1/users/emma/password", changed)).status).toBe(204);
    expect((await browse("GET", "/api/v1", { cookie: here })).status).toBe(200);
    expect((await browse("GET", "/api/v1", { cookie: elsewhere })).status).toBe(401);
    expect((await browse("GET", "/api/v1", { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
    await open.identity.setPassword(name, password, open.owner.user, open.owner.tokenId);
    expect((await browse("GET", "/api/v1", { cookie: here })).status).toBe(401);
  });

  test("is kept for https alone where a proxy ends TLS before the server", async () => {
    const { host } = new URL(origin);
    const reply = await browse("POST", "/api/v1/session", {
      body: { user: "bert", password },
      from: `https://${host}`,
    });
    expect([reply.status, reply.headers.get("set-cookie")]).toEqual([200, expect.stringMatching(/; Secure$/)]);
  });

  test("of one user there are at most fifty: the one that was idle longest goes", async () => {
    const name = userName("clara");
    await open.identity.createUser({ name, password }, open.owner.user);
    const principal = await open.identity.authenticate({ kind: "password", user: "clara", password });
    const first = await open.identity.openSession(principal);
    for (let made = 0; made < 54; made++) await open.identity.openSession(principal);
    expect(await sessionsOf("clara")).toHaveLength(50);
    await expect(open.identity.authenticate({ kind: "token", token: first.token })).rejects.toMatchObject({
      code: "unauthenticated",
    });
  });

  test("ends after twelve hours without use, and after thirty days with it, whichever server is asked", async () => {
    const clocks = [fakeClock(systemClock.now()), fakeClock(systemClock.now())] as const;
    const [one, two] = [await open.another({ clock: clocks[0] }), await open.another({ clock: clocks[1] })];
    const principal = await one.identity.authenticate({ kind: "password", user: "bert", password });
    const { token } = await one.identity.openSession(principal);
    const [used, idle] = [{ kind: "token", token } as const, await one.identity.openSession(principal)];
    const pass = async (milliseconds: number) => {
      for (const clock of clocks) await clock.advance(milliseconds);
    };
    await two.identity.authenticate(used);
    for (let day = 0; day < 59; day++) {
      await pass(12 * hourMs - 1_000);
      await one.identity.authenticate(used);
      await one.identity.stop(); // writes the use down, where the other server finds it
    }
    await two.identity.authenticate(used); // has not seen it for a month
    await expect(two.identity.authenticate({ kind: "token", token: idle.token })).rejects.toThrow("expired");
    await pass(12 * hourMs);
    for (const { identity } of [one, two]) await expect(identity.authenticate(used)).rejects.toThrow("expired");
  });
});

describe("who may use a session", () => {
  test.each([
    ["a write of another site's page", "POST", { from: "https://attacker.example" }],
    ["a write that says no origin", "POST", { from: null }],
    ["a write of a sandboxed page", "POST", { from: "null" }],
    ["a write of a page on another port", "POST", { from: "http://127.0.0.1:1" }],
    ["a write that the browser calls cross-site", "POST", { site: "cross-site" }],
    ["a write from the address bar", "POST", { site: "none" }],
    ["a look of another site's page", "GET", { site: "cross-site" }],
    ["a look of a page on another port", "GET", { site: "same-site" }],
    ["a look with another origin", "GET", { headers: { origin: "https://attacker.example" } }],
  ])("%s is refused", async (_name, method, options) => {
    const cookie = await signIn({ user: "bert", password });
    for (const route of ["/api/v1/sql?query=SELECT+1", "/api/v1/events/stream", "/api/v1/live", "/nowhere"]) {
      const reply = await browse(method, route, { cookie, ...options });
      expect([reply.status, code(reply)], route).toEqual([403, "forbidden"]);
    }
    const out = await browse("DELETE", "/api/v1/session", { cookie, ...options, from: "https://attacker.example" });
    expect(out.status).toBe(403);
    expect((await browse("GET", "/api/v1", { cookie, site: "same-origin" })).status).toBe(200);
    expect((await browse("GET", "/api/v1", { cookie, site: "none" })).status).toBe(200);
  });

  test("another site's page cannot sign its reader in as somebody else", async () => {
    for (const options of [{ from: "https://attacker.example" }, { site: "cross-site" }, { site: "same-site" }]) {
      const reply = await browse("POST", "/api/v1/session", { body: { user: "bert", password }, ...options });
      expect([reply.status, reply.headers.get("set-cookie")]).toEqual([403, null]);
    }
  });

  test("forged, planted, foreign and empty cookies are nobody's", async () => {
    const cookie = await signIn({ user: "bert", password });
    const id = cookie.slice("millrace_session=mlr_".length).split("_")[0];
    const forged = [
      "millrace_session=x",
      "millrace_session=",
      `millrace_session=mlr_${id}_${"A".repeat(43)}`,
      `${cookie}x`,
      `${cookie}; ${cookie}`,
      `millrace_session=planted; ${cookie}`,
      cookie.replace("millrace_session", "Millrace_Session"),
      `other=${cookie.split("=")[1]}`,
      "millrace_session=__proto__",
    ];
    for (const one of forged) {
      const reply = await browse("GET", "/api/v1", { cookie: one });
      expect([reply.status, code(reply)], one).toEqual([401, "unauthenticated"]);
      expect(await browse("GET", "/api/v1/session", { cookie: one })).toMatchObject({ body: { who: null } });
    }
    expect((await browse("GET", "/api/v1", { cookie: `a=b; ${cookie}; c=d` })).status).toBe(200);
  });

  test("a page's script is not asked for Basic credentials, which would open the browser's own dialog", async () => {
    const asked = await browse("GET", "/api/v1");
    expect(asked.headers.get("www-authenticate")).toBe('Bearer realm="millrace"'); // fetch says sec-fetch-mode: cors
  });

  test("guesses at a password are slowed down", async () => {
    const name = userName("dora");
    await open.identity.createUser({ name, password }, open.owner.user);
    const guess = () => browse("POST", "/api/v1/session", { body: { user: "dora", password: "a wrong password" } });
    const codes = [];
    for (let guesses = 0; guesses < 7; guesses++) codes.push(code(await guess()));
    expect(codes.slice(0, 5)).toEqual(Array(5).fill("unauthenticated"));
    expect(codes.at(-1)).toBe("too_many_requests");
    const right = await browse("POST", "/api/v1/session", { body: { user: "dora", password } });
    expect([right.status, right.headers.get("set-cookie")]).toEqual([429, null]);
  });

  test("odd bodies are refused", async () => {
    for (const body of [{}, { token: 1 }, { token: "" }, { user: "bert" }, { token: "x", user: "bert" }, []]) {
      expect((await browse("POST", "/api/v1/session", { body })).status, JSON.stringify(body)).toBe(400);
    }
    expect((await browse("POST", "/api/v1/session", { body: { token: "mlr_x" } })).status).toBe(401);
    const text = { method: "POST", body: '{"token":"x"}', headers: { "content-type": "text/plain", origin } };
    expect((await fetch(new URL("/api/v1/session", origin), text)).status).toBe(415);
  });
});

test("over TLS the cookie is for TLS only", async () => {
  await using folder = await tempDirectory();
  const pair = selfSigned();
  const [tlsCertificate, tlsKey] = [path.join(folder.path, "c.pem"), path.join(folder.path, "k.pem")];
  await writeFile(tlsCertificate, pair.certificate);
  await writeFile(tlsKey, pair.key);
  const rooms = { access: open.identity, administration: administrationDoor(open.identity) };
  await using secure = await serve({ rooms, bind: { tlsCertificate, tlsKey } });
  const body = JSON.stringify({ user: "bert", password });
  const said = await new Promise<string>((resolve, reject) => {
    const headers = { "content-type": "application/json", origin: secure.gateway.url };
    https
      .request(
        {
          host: "127.0.0.1",
          port: secure.port,
          path: "/api/v1/session",
          method: "POST",
          ca: pair.certificate,
          headers,
        },
        (reply) => resolve(String(reply.headers["set-cookie"])),
      )
      .on("error", reject)
      .end(body);
  });
  expect(said).toMatch(/HttpOnly; SameSite=Strict; Path=\/; Max-Age=\d+; Secure$/);
});
