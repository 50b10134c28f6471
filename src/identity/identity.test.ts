import { stat } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type OpenIdentity, openIdentity, passwordOf } from "../../test/identity/open.ts";
import { fakeClock, until } from "../../test/kit/index.ts";
import { openResources } from "../../test/resources/open.ts";
import {
  datasetPath,
  idSource,
  instant,
  organizationName,
  projectName,
  silentTelemetry,
  systemClock,
  systemRandom,
  userName,
} from "../base/index.ts";
import { PostgresEventBus } from "../bus/index.ts";
import { datasetKind, projectKind, Resources } from "../resources/index.ts";
import { connect } from "../storage/index.ts";
import { Identity, identityKinds, type Principal } from "./index.ts";

let world: OpenIdentity;
let identity: Identity;
let owner: Principal;
const access = datasetPath("web.access");
const start = { organization: organizationName("default"), owner: userName("owner") };

beforeAll(async () => {
  world = await openIdentity();
  ({ identity, owner } = world);
});
afterAll(() => world[Symbol.asyncDispose]());

async function userWith(name: string): Promise<Principal> {
  await identity.createUser({ name: userName(name), password: passwordOf(name) }, owner.user);
  return await identity.authenticate({ kind: "password", user: name, password: passwordOf(name) });
}

const byToken = (token: string, on = identity) => on.authenticate({ kind: "token", token });
const refused = { code: "unauthenticated" };

describe("bootstrap", () => {
  test("makes one owner and the project system; a second start makes nothing", async () => {
    expect(owner).toMatchObject({ user: "owner", isOwner: true, organization: "default" });
    expect(await identity.bootstrap(start)).toBeNull();
    expect(await world.resources.get(projectKind, null, "system")).not.toBeNull();
    expect((await stat(world.keyFile)).mode & 0o777).toBe(0o600);
  });

  test("the token is kept before anything is made: a crash leaves nothing, and the next start works", async () => {
    await using open = await openResources(identityKinds);
    const fresh = () =>
      new Identity({
        resources: open.another(),
        masterKeys: world.masterKeys,
        clock: systemClock,
        random: systemRandom,
      });
    const dying = { ...start, keep: () => Promise.reject(new Error("killed")) };
    await expect(fresh().bootstrap(dying)).rejects.toThrow("killed");
    expect(await open.database.sql`SELECT * FROM resources`).toHaveLength(0);
    const kept: string[] = [];
    const keep = async (token: string) => void kept.push(token);
    const servers = [fresh(), fresh(), fresh()];
    const tokens = await Promise.all(servers.map((server) => server.bootstrap({ ...start, keep })));
    expect(kept).toEqual(tokens.filter((token) => token !== null));
    expect(kept).toHaveLength(1);
    for (const server of servers) expect(await byToken(kept[0] ?? "", server)).toMatchObject({ isOwner: true });
  });
});

describe("who asks", () => {
  test.each(["", "mlr_x", "mlr_000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "mlr_".repeat(10_000)])(
    "the token %#  is refused",
    async (token) => {
      await expect(byToken(token)).rejects.toMatchObject(refused);
    },
  );

  test("a changed, a revoked and an expired token are refused, and another user's name with one", async () => {
    const { token, id } = await identity.createToken({ user: owner.user, label: "t", scopes: ["read"] }, owner.user);
    await byToken(token);
    const at = token.length - 10;
    const changed = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
    await expect(byToken(changed)).rejects.toMatchObject(refused);
    expect(await identity.authenticate({ kind: "password", user: "owner", password: token })).toMatchObject({
      tokenId: id,
    });
    await expect(identity.authenticate({ kind: "password", user: "someone", password: token })).rejects.toMatchObject(
      refused,
    );
    await identity.revokeToken(id, owner.user);
    await expect(byToken(token)).rejects.toMatchObject(refused);
    const expiresAt = systemClock.now();
    const old = await identity.createToken({ user: owner.user, label: "t", scopes: ["read"], expiresAt }, owner.user);
    await expect(byToken(old.token)).rejects.toMatchObject({ message: "The token has expired." });
  });

  test("a token makes only tokens that reach no further and live no longer", async () => {
    const make = (scopes: string[], mintedBy: string | null, expiresAt?: number) =>
      identity.createToken(
        { user: owner.user, label: "t", scopes, mintedBy, ...(expiresAt ? { expiresAt: instant(expiresAt) } : {}) },
        owner.user,
      );
    const soon = systemClock.now() + 60_000;
    const limited = await make(["admin", "project:web"], owner.tokenId, soon);
    for (const [scopes, expiresAt] of [
      [["admin"], soon],
      [["read"], soon],
      [["read", "project:other"], soon],
      [["read", "project:web"], soon + 1],
      [["read", "project:web"], undefined],
    ] as const) {
      await expect(make([...scopes], limited.id, expiresAt)).rejects.toMatchObject({ code: "forbidden" });
    }
    expect(await make(["read", "project:web"], limited.id, soon)).toMatchObject({ scopes: ["read", "project:web"] });
    for (const scopes of [[], ["project:web"], ["root"], ["read", "project:"]]) {
      await expect(make(scopes, null)).rejects.toMatchObject({ code: "bad_request" });
    }
  });

  test("a password is right or not, for users that are there or not", async () => {
    await userWith("bert");
    await identity.createUser({ name: userName("tokens-only") }, owner.user);
    for (const [user, password] of [
      ["bert", "wrong"],
      ["bert", ""],
      ["nobody", passwordOf("bert")],
      ["tokens-only", ""],
    ] as const) {
      await expect(identity.authenticate({ kind: "password", user, password })).rejects.toMatchObject(refused);
    }
    // The one remembered a moment ago is forgotten with its change.
    await identity.setPassword(userName("bert"), "another password", owner.user, null);
    await expect(
      identity.authenticate({ kind: "password", user: "bert", password: passwordOf("bert") }),
    ).rejects.toMatchObject(refused);
    await identity.authenticate({ kind: "password", user: "bert", password: "another password" });
    await expect(identity.createUser({ name: userName("short"), password: "short" }, owner.user)).rejects.toMatchObject(
      { code: "bad_request" },
    );
  });

  test("guessing is slowed down where it comes from; the user gets in from elsewhere", async () => {
    await userWith("guessed");
    const ask = (password: string, address: string) =>
      identity.authenticate({ kind: "password", user: "guessed", password, address });
    const guesses = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => ask(`guess ${i}`, "10.0.0.66")));
    const codes = guesses.map((guess) => (guess.status === "rejected" ? guess.reason.code : "let in"));
    expect(codes.filter((code) => code === "unauthenticated").length).toBeLessThanOrEqual(6);
    expect(codes.filter((code) => code === "too_many_requests").length).toBeGreaterThanOrEqual(6);
    await expect(ask(passwordOf("guessed"), "10.0.0.66")).rejects.toMatchObject({ code: "too_many_requests" });
    expect(await ask(passwordOf("guessed"), "10.0.0.1")).toMatchObject({ user: "guessed" });
  });

  test("when a token was used last is told, and written when the server stops", async () => {
    const made = await identity.createToken({ user: owner.user, label: "used", scopes: ["read"] }, owner.user);
    expect(made.lastUsedAt).toBeNull();
    await byToken(made.token);
    await identity.stop();
    const { identity: other } = await world.another();
    const seen = (await other.listTokens(owner.user)).find((token) => token.id === made.id);
    expect(seen?.lastUsedAt).toBeGreaterThan(systemClock.now() - 60_000);
  });
});

describe("what they may do", () => {
  test("nothing by default: a stranger does not learn that a thing exists", async () => {
    const stranger = await userWith("stranger");
    const ask = (action: Parameters<Identity["authorize"]>[1], target: Parameters<Identity["authorize"]>[2]) =>
      identity.authorize(stranger, action, target);
    await expect(ask("dataset.select", { dataset: access })).rejects.toMatchObject({ code: "dataset_not_found" });
    const absent = datasetPath("web.absent");
    await expect(ask("dataset.select", { dataset: absent })).rejects.toMatchObject({ code: "dataset_not_found" });
    await expect(ask("project.view", { project: access.project })).rejects.toMatchObject({ code: "not_found" });
    await expect(ask("organization.admin", {})).rejects.toMatchObject({ code: "forbidden" });
  });

  test("grants and roles take effect at once and are taken away at once", async () => {
    const user = await userWith("granted");
    const grant = { dataset: access, user: user.user, privilege: "select" } as const;
    await identity.grant(grant, owner.user);
    await identity.authorize(user, "dataset.select", { dataset: access });
    await expect(identity.authorize(user, "dataset.insert", { dataset: access })).rejects.toMatchObject({
      code: "forbidden",
    });
    await identity.setRole({ project: access.project, user: user.user, role: "editor" }, owner.user);
    await identity.authorize(user, "dataset.insert", { dataset: access });
    await identity.setRole({ project: access.project, user: user.user, role: null }, owner.user);
    expect(await identity.allows(user, "dataset.insert", { dataset: access })).toBe(false);
    expect(await identity.listGrants(access.project)).toContainEqual({
      kind: "dataset",
      user: "granted",
      dataset: "access",
      privilege: "select",
    });
    await identity.revoke(grant, owner.user);
    await expect(identity.authorize(user, "dataset.select", { dataset: access })).rejects.toMatchObject({
      code: "dataset_not_found",
    });
  });

  test("privileges granted at the same moment are all there", async () => {
    const user = await userWith("many");
    const held = ["select", "insert", "alter", "admin"] as const;
    await Promise.all(
      held.map((privilege) => identity.grant({ dataset: access, user: user.user, privilege }, owner.user)),
    );
    const grants = (await identity.listGrants(access.project)).filter((one) => one.user === "many");
    expect(new Set(grants.map((one) => (one.kind === "dataset" ? one.privilege : one.role)))).toEqual(new Set(held));
    const unknown = { dataset: datasetPath("web.none"), user: user.user, privilege: "select" } as const;
    await expect(identity.grant(unknown, owner.user)).rejects.toMatchObject({ code: "dataset_not_found" });
    await expect(
      identity.setRole({ project: projectName("none"), user: user.user, role: "viewer" }, owner.user),
    ).rejects.toMatchObject({ code: "not_found" });
  });

  test("a user or dataset made anew under an old name begins bare", async () => {
    const user = await userWith("carl");
    const { token } = await identity.createToken({ user: user.user, label: "t", scopes: ["admin"] }, owner.user);
    await identity.grant({ dataset: access, user: user.user, privilege: "admin" }, owner.user);
    await identity.setRole({ project: access.project, user: user.user, role: "owner" }, owner.user);
    const principal = await byToken(token);
    await identity.deleteUser(user.user, owner.user);
    await expect(byToken(token)).rejects.toMatchObject(refused);
    expect(await identity.allows(principal, "dataset.select", { dataset: access })).toBe(false);
    const again = await userWith("carl");
    expect(await identity.allows(again, "dataset.select", { dataset: access })).toBe(false);
    expect(await identity.allows(principal, "dataset.select", { dataset: access })).toBe(false);
    const other = datasetPath("web.other");
    await identity.grant({ dataset: other, user: again.user, privilege: "select" }, owner.user);
    expect(await identity.allows(again, "dataset.select", { dataset: other })).toBe(true);
    const { resources } = world;
    await resources.delete({ kind: datasetKind.kind, project: "web", name: "other" }, { by: "owner" });
    expect(await identity.allows(again, "dataset.select", { dataset: other })).toBe(false);
    await resources.apply({ kind: "Dataset", project: "web", name: "other", spec: {} }, { by: "owner" });
    expect(await identity.allows(again, "dataset.select", { dataset: other })).toBe(false);
    await expect(identity.deleteUser(owner.user, owner.user)).rejects.toMatchObject({ code: "conflict" });
  });

  test("a token reaches as far as its scopes, also after its user's rights have grown", async () => {
    const user = await userWith("scoped");
    await identity.setRole({ project: access.project, user: user.user, role: "owner" }, owner.user);
    const reader = await byToken(
      (await identity.createToken({ user: user.user, label: "r", scopes: ["read", "project:web"] }, owner.user)).token,
    );
    expect(await identity.allows(reader, "dataset.select", { dataset: access })).toBe(true);
    await expect(identity.authorize(reader, "dataset.insert", { dataset: access })).rejects.toMatchObject({
      code: "forbidden",
    });
    // What a principal says of itself counts for nothing.
    expect(await identity.allows({ ...reader, scopes: ["admin"], isOwner: true }, "organization.admin", {})).toBe(
      false,
    );
  });
});

describe("what is in memory", () => {
  test("authenticating and authorizing ask no database once it is warm; what is known serves a minute without one", async () => {
    const sql = connect(world.open.database.url, 2);
    const bus = new PostgresEventBus({ sql, clock: systemClock, log: silentTelemetry.log });
    const resources = new Resources({
      sql,
      store: world.open.store,
      events: bus,
      clock: systemClock,
      ids: idSource(systemClock, systemRandom),
      kinds: [projectKind, datasetKind, ...identityKinds],
    });
    const clock = fakeClock(systemClock.now());
    const { identity: other } = await world.another({ resources, clock });
    const ask = async () => {
      const principal = await byToken(world.ownerToken, other);
      await other.authorize(principal, "dataset.select", { dataset: access });
    };
    await ask();
    await sql.end();
    for (let i = 0; i < 1_000; i++) await ask();
    await clock.advance(30_000);
    await ask();
    await clock.advance(31_000);
    await expect(ask()).rejects.toMatchObject({ code: "unavailable" });
  });

  test("another server's revocation is heard, and found after two seconds where it was not", async () => {
    const [listening, deaf] = [await world.another(), await world.another({ clock: fakeClock(systemClock.now()) })];
    await world.open.bus.start();
    const bus = new PostgresEventBus({ sql: world.open.database.sql, clock: systemClock, log: silentTelemetry.log });
    await bus.start();
    await listening.resources.start();
    const clock = fakeClock(systemClock.now());
    const late = await world.another({ clock });
    const { token, id } = await identity.createToken({ user: owner.user, label: "t", scopes: ["read"] }, owner.user);
    for (const server of [listening, deaf, late]) await byToken(token, server.identity);
    await identity.revokeToken(id, owner.user);
    await until("the listening server refuses", async () =>
      byToken(token, listening.identity).then(
        () => false,
        () => true,
      ),
    );
    await byToken(token, deaf.identity); // its clock stands still: it cannot know
    await clock.advance(2_000);
    await expect(byToken(token, late.identity)).rejects.toMatchObject(refused);
    await bus.stop();
  });
});

describe("what is written", () => {
  /** Behind `mlr_ID_`; it may hold underscores itself. */
  const secretOf = (token: string) => token.split("_").slice(2).join("_");

  test("no password, token or secret is in events, mirror or database, and no hash in events", async () => {
    await userWith("written");
    const { token } = await identity.createToken({ user: owner.user, label: "t", scopes: ["read"] }, owner.user);
    await identity.putSecret({ project: projectName("web"), name: "aws", value: "hunter2-secret" }, owner.user);
    const { sql } = world.open.database;
    const events = JSON.stringify(await sql`SELECT * FROM events`);
    const rows = JSON.stringify([await sql`SELECT * FROM resources`, await sql`SELECT * FROM resource_changes`]);
    let mirror = "";
    for await (const { key } of world.open.store.list("")) {
      mirror += Buffer.from((await world.open.store.get(key)) ?? []).toString();
    }
    for (const text of [events, rows, mirror]) {
      expect(text).toContain("written");
      for (const secret of ["hunter2-secret", passwordOf("written"), secretOf(token), secretOf(world.ownerToken)]) {
        expect(text).not.toContain(secret);
      }
    }
    const hashes = z
      .array(z.object({ spec: z.object({ hash: z.string() }) }))
      .parse(await sql`SELECT spec FROM resources WHERE kind = 'Token'`);
    for (const { spec } of hashes) {
      expect(events).not.toContain(spec.hash);
      expect(mirror).toContain(spec.hash);
    }
    expect(events).not.toContain("argon2id");
    expect(mirror).toContain("$argon2id$v=19$m=19456,t=2,p=1$");
  });

  test("users, tokens, roles and grants come back with the definitions", async () => {
    const { resources } = await world.open.restored();
    const { identity: restored } = await world.another({ resources });
    expect(await byToken(world.ownerToken, restored)).toMatchObject({ user: "owner", isOwner: true });
    const many = await restored.authenticate({ kind: "password", user: "many", password: passwordOf("many") });
    expect(await restored.allows(many, "dataset.admin", { dataset: access })).toBe(true);
    expect(await restored.openSecret(projectName("web"), "aws")).toBe("hunter2-secret");
  });
});
