import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { instant, systemClock, userName } from "../../src/base/index.ts";
import { administrationDoor } from "../../src/server/views.ts";
import { type OpenIdentity, openIdentity } from "../identity/open.ts";
import { type Served, serve } from "./serve.ts";

// The routes of users and tokens before the real identity: what a narrow token can make of itself.

let open: OpenIdentity;
let served: Served;

beforeAll(async () => {
  open = await openIdentity();
  served = await serve({ rooms: { access: open.identity, administration: administrationDoor(open.identity) } });
  await open.identity.createUser({ name: userName("bert"), password: "a password of bert" }, open.owner.user);
});

afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  await open?.[Symbol.asyncDispose]();
});

const lifeMs = 60_000;

/** A token of the owner as an owner would hand it out. */
async function ownersToken(scopes: string[], expiresAtMs?: number): Promise<{ id: string; token: string }> {
  const expiry = expiresAtMs === undefined ? {} : { expiresAt: instant(expiresAtMs) };
  return await open.identity.createToken(
    { user: open.owner.user, label: "t", scopes, ...expiry, mintedBy: null },
    open.owner.user,
  );
}

async function as(authorization: string, method: string, path: string, body?: unknown) {
  const headers = { authorization, "content-type": "application/json" };
  return await served.json(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
}
const bearer = (token: string) => `Bearer ${token}`;
const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const iso = (milliseconds: number) => new Date(milliseconds).toISOString();

describe("a token", () => {
  test.each([
    [["read", "project:web"], ["read"]],
    [
      ["read", "project:web"],
      ["read", "project:other"],
    ],
    [
      ["read", "project:web"],
      ["write", "project:web"],
    ],
    [["admin", "project:web"], ["admin"]],
    [["admin", "project:web"], ["read"]],
    [["read", "write"], ["admin"]],
  ])("of %j cannot make one of %j", async (held, wanted) => {
    const { token } = await ownersToken(held);
    const before = (await open.identity.listTokens(open.owner.user)).length;
    const reply = await as(bearer(token), "POST", "/api/v1/users/owner/tokens", { scopes: wanted });
    expect([reply.status, reply.body]).toMatchObject([403, { error: { code: "forbidden" } }]);
    expect((await open.identity.listTokens(open.owner.user)).length).toBe(before);
  });

  test.each([
    [
      ["read", "project:web"],
      ["read", "project:web"],
    ],
    [["admin"], ["read", "write"]],
    [
      ["admin", "project:web", "project:other"],
      ["write", "project:other"],
    ],
  ])("of %j can make one of %j, which works", async (held, wanted) => {
    const { token } = await ownersToken(held);
    const reply = await as(bearer(token), "POST", "/api/v1/users/owner/tokens", { scopes: wanted });
    expect([reply.status, reply.body]).toMatchObject([201, { scopes: wanted }]);
    const made = z.object({ token: z.string() }).parse(reply.body).token;
    expect((await as(bearer(made), "GET", "/api/v1")).body).toMatchObject({ user: "owner", scopes: wanted });
  });

  test("makes none that outlives it", async () => {
    const endsAtMs = systemClock.now() + lifeMs;
    const { token } = await ownersToken(["admin"], endsAtMs);
    const make = (expiresAt?: string) =>
      as(bearer(token), "POST", "/api/v1/users/owner/tokens", {
        scopes: ["read"],
        ...(expiresAt ? { expiresAt } : {}),
      });
    expect((await make()).status).toBe(403);
    expect((await make(iso(endsAtMs + 1))).status).toBe(403);
    expect((await make(iso(endsAtMs))).status).toBe(201);
  });

  test("limited to a project, or without admin, cannot set its user's password; the password itself can", async () => {
    for (const scopes of [
      ["admin", "project:web"],
      ["read", "write"],
    ]) {
      const { token } = await ownersToken(scopes);
      const password = "taken over by a narrow token";
      expect((await as(bearer(token), "PUT", "/api/v1/users/owner/password", { password })).status).toBe(403);
      expect((await as(basic("owner", password), "GET", "/api/v1")).status).toBe(401);
    }
    const change = (from: string, password: string) =>
      as(basic("bert", from), "PUT", "/api/v1/users/bert/password", { password });
    expect((await change("a password of bert", "another password")).status).toBe(204);
    expect((await as(basic("bert", "another password"), "GET", "/api/v1")).body).toMatchObject({ tokenId: null });
  });

  test("revokes itself and what it could have made, not the owner's wider ones", async () => {
    const wide = await ownersToken(["admin"]);
    const narrow = await ownersToken(["read", "project:web"]);
    const narrower = await ownersToken(["read", "project:web"]);
    const revoke = async (by: string, id: string) => (await as(bearer(by), "DELETE", `/api/v1/tokens/${id}`)).status;
    expect(await revoke(narrow.token, wide.id)).toBe(403);
    expect((await as(bearer(wide.token), "GET", "/api/v1")).status).toBe(200);
    expect(await revoke(narrow.token, narrower.id)).toBe(204);
    expect(await revoke(narrow.token, narrow.id)).toBe(204);
    expect((await as(bearer(narrow.token), "GET", "/api/v1")).status).toBe(401);
  });

  test("shows when it was used last", async () => {
    const { id, token } = await ownersToken(["read"]);
    const of = async () => {
      const { body } = await as(bearer(open.ownerToken), "GET", "/api/v1/users/owner/tokens");
      const { tokens } = z
        .object({ tokens: z.array(z.object({ id: z.string(), lastUsedAt: z.string().nullable() })) })
        .parse(body);
      return tokens.find((one) => one.id === id)?.lastUsedAt;
    };
    expect(await of()).toBeNull();
    const before = systemClock.now();
    await as(bearer(token), "GET", "/api/v1");
    expect(Date.parse((await of()) ?? "")).toBeGreaterThanOrEqual(before);
  });
});

test("wrong passwords are told to identity with the peer's address", async () => {
  const told: unknown[] = [];
  await using gate = await serve({
    rooms: {
      access: {
        authenticate(credentials) {
          told.push(credentials);
          return open.identity.authenticate(credentials);
        },
        authorize: (...asked) => open.identity.authorize(...asked),
        allows: (...asked) => open.identity.allows(...asked),
        reaches: (...asked) => open.identity.reaches(...asked),
      },
    },
  });
  const reply = await gate.json("/api/v1", { headers: { authorization: basic("bert", "wrong") } });
  expect(reply.status).toBe(401);
  expect(told).toEqual([{ kind: "password", user: "bert", password: "wrong", address: "127.0.0.1" }]);
});
