import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type TempDirectory, type TestDatabase, tempDirectory, testDatabase } from "../../test/kit/index.ts";
import {
  datasetPath,
  idSource,
  organizationName,
  projectName,
  silentTelemetry,
  systemClock,
  systemRandom,
  userName,
} from "../base/index.ts";
import { PostgresEventBus } from "../bus/index.ts";
import { datasetKind, projectKind, Resources, restoreDefinitions } from "../resources/index.ts";
import { directoryStore, nodeDisk, type ObjectStore } from "../storage/index.ts";
import { Identity, identityKinds, MasterKeys, type Principal } from "./index.ts";
import { privileges, roles, scopes } from "./kinds.ts";
import { type Action, decide } from "./policy.ts";

let folder: TempDirectory;
let database: TestDatabase;
let store: ObjectStore;
let resources: Resources;
let identity: Identity;
let owner: Principal;
let ownerToken: string;
const path1 = datasetPath("web.access");

beforeAll(async () => {
  folder = await tempDirectory();
  database = await testDatabase();
  store = directoryStore({ root: path.join(folder.path, "objects"), disk: nodeDisk, random: systemRandom });
  const events = new PostgresEventBus({ sql: database.sql, clock: systemClock, log: silentTelemetry.log });
  resources = new Resources({
    sql: database.sql,
    store,
    events,
    clock: systemClock,
    ids: idSource(systemClock, systemRandom),
    kinds: [projectKind, datasetKind, ...identityKinds],
  });
  const masterKeys = new MasterKeys({
    file: path.join(folder.path, "master.key"),
    disk: nodeDisk,
    random: systemRandom,
  });
  await masterKeys.open();
  identity = new Identity({ resources, masterKeys, clock: systemClock, random: systemRandom });
  ownerToken =
    (await identity.bootstrap({ organization: organizationName("default"), owner: userName("owner") })) ?? "";
  owner = await identity.authenticate({ kind: "token", token: ownerToken });
  await resources.apply({ kind: "Project", name: "web", spec: {} }, { by: "owner" });
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

async function userWith(name: string): Promise<Principal> {
  await identity.createUser({ name: userName(name), password: `password of ${name}` }, owner.user);
  return await identity.authenticate({ kind: "password", user: name, password: `password of ${name}` });
}

describe("who asks", () => {
  test("the first start makes one owner, a second one none", async () => {
    expect(owner).toMatchObject({ user: "owner", isOwner: true, organization: "default" });
    expect(
      await identity.bootstrap({ organization: organizationName("default"), owner: userName("owner") }),
    ).toBeNull();
  });

  test.each(["", "mlr_x", "mlr_000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])(
    "the token %j is refused",
    async (token) => {
      await expect(identity.authenticate({ kind: "token", token })).rejects.toMatchObject({ code: "unauthenticated" });
    },
  );

  test("a changed, a revoked and an expired token are refused", async () => {
    const { token, id } = await identity.createToken({ user: owner.user, label: "t", scopes: ["read"] }, owner.user);
    await identity.authenticate({ kind: "token", token });
    const changed = token.slice(0, -1) + (token.endsWith("A") ? "B" : "A");
    await expect(identity.authenticate({ kind: "token", token: changed })).rejects.toMatchObject({
      code: "unauthenticated",
    });
    await identity.revokeToken(id, owner.user);
    await expect(identity.authenticate({ kind: "token", token })).rejects.toMatchObject({ code: "unauthenticated" });
    const old = await identity.createToken(
      { user: owner.user, label: "t", scopes: ["read"], expiresAt: systemClock.now() },
      owner.user,
    );
    await expect(identity.authenticate({ kind: "token", token: old.token })).rejects.toMatchObject({
      message: "The token has expired.",
    });
  });

  test("guessing a password is slowed down", async () => {
    await userWith("guessed");
    for (let i = 0; i < 6; i++)
      await identity.authenticate({ kind: "password", user: "guessed", password: `${i}` }).catch(() => {});
    await expect(
      identity.authenticate({ kind: "password", user: "guessed", password: "password of guessed" }),
    ).rejects.toMatchObject({ code: "too_many_requests" });
  });

  test("no hash, secret or password is in events, and no token in the mirror", async () => {
    await identity.putSecret({ project: projectName("web"), name: "aws", value: "hunter2-secret" }, owner.user);
    const events = JSON.stringify(await database.sql`SELECT data FROM events`);
    let mirror = "";
    for await (const { key } of store.list("definitions/"))
      mirror += new TextDecoder().decode((await store.get(key)) ?? new Uint8Array());
    for (const text of [events, mirror]) {
      expect(text).not.toContain("hunter2-secret");
      expect(text).not.toContain(ownerToken.split("_")[2]);
      expect(text).not.toContain("password of");
    }
    expect(await identity.openSecret(projectName("web"), "aws")).toBe("hunter2-secret");
    expect(await identity.rotateMasterKey(owner.user)).toEqual({ resealed: 1 });
    expect(await identity.openSecret(projectName("web"), "aws")).toBe("hunter2-secret");
  });
});

describe("what they may do", () => {
  test("nothing by default: a stranger does not learn that a thing exists", async () => {
    const stranger = await userWith("stranger");
    await expect(identity.authorize(stranger, "dataset.select", { dataset: path1 })).rejects.toMatchObject({
      code: "dataset_not_found",
    });
    await expect(identity.authorize(stranger, "project.view", { project: path1.project })).rejects.toMatchObject({
      code: "not_found",
    });
    await expect(identity.authorize(stranger, "organization.admin", {})).rejects.toMatchObject({ code: "forbidden" });
  });

  test("grants and roles take effect at once and are taken away at once", async () => {
    const user = await userWith("granted");
    await identity.grant({ dataset: path1, user: user.user, privilege: "select" }, owner.user);
    await identity.authorize(user, "dataset.select", { dataset: path1 });
    await expect(identity.authorize(user, "dataset.insert", { dataset: path1 })).rejects.toMatchObject({
      code: "forbidden",
    });
    await identity.setRole({ project: path1.project, user: user.user, role: "editor" }, owner.user);
    await identity.authorize(user, "dataset.insert", { dataset: path1 });
    await identity.setRole({ project: path1.project, user: user.user, role: null }, owner.user);
    await identity.revoke({ dataset: path1, user: user.user, privilege: "select" }, owner.user);
    await expect(identity.authorize(user, "dataset.select", { dataset: path1 })).rejects.toMatchObject({
      code: "dataset_not_found",
    });
  });

  test("the policy denies by default, grants only add, and scopes only narrow", () => {
    const actions: readonly Action[] = [
      "organization.admin",
      "project.view",
      "project.edit",
      "project.admin",
      "dataset.select",
      "dataset.insert",
      "dataset.alter",
      "dataset.admin",
    ];
    const arbitrary = fc.record({
      isOwner: fc.boolean(),
      role: fc.option(fc.constantFrom(...roles)),
      held: fc.subarray([...privileges]),
      more: fc.constantFrom(...privileges),
      scopes: fc.option(fc.subarray([...scopes, "project:web", "project:other"])),
      action: fc.constantFrom(...actions),
      target: fc.constantFrom({}, { project: path1.project }, { dataset: path1 }),
    });
    fc.assert(
      fc.property(arbitrary, ({ isOwner, role, held, more, scopes: limits, action, target }) => {
        const subject = { user: userName("u"), isOwner, scopes: limits };
        const declared = { role: () => role, privileges: () => held };
        const allowed = decide(subject, action, target, declared);
        const withMore = decide(subject, action, target, { ...declared, privileges: () => [...held, more] });
        const unlimited = decide({ ...subject, scopes: null }, action, target, declared);
        expect(!allowed || withMore).toBe(true);
        expect(!allowed || unlimited).toBe(true);
        if (!isOwner && role === null && held.length === 0) expect(allowed).toBe(false);
        if (limits !== null && limits.length === 0) expect(allowed).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("resources", () => {
  test("generations, dry runs, conflicts and differences", async () => {
    const input = { kind: "Dataset", project: "web", name: "d1", spec: { description: "one" } };
    expect(await resources.apply(input, { by: "a", dryRun: true })).toMatchObject({ outcome: "created" });
    expect(await resources.get(datasetKind, "web", "d1")).toBeNull();
    expect(await resources.apply(input, { by: "a" })).toMatchObject({
      outcome: "created",
      resource: { generation: 1 },
    });
    expect(await resources.apply(input, { by: "a" })).toMatchObject({
      outcome: "unchanged",
      resource: { generation: 1 },
    });
    const changed = { ...input, spec: { description: "two" } };
    expect(await resources.diff(changed)).toEqual([{ path: "spec.description", before: "one", after: "two" }]);
    await expect(resources.apply(changed, { by: "a", expectedGeneration: 7 })).rejects.toMatchObject({
      code: "precondition_failed",
    });
    expect(await resources.apply(changed, { by: "a", expectedGeneration: 1 })).toMatchObject({
      outcome: "updated",
      resource: { generation: 2 },
    });
    await expect(resources.apply({ ...input, spec: { descripton: "x" } }, { by: "a" })).rejects.toThrow(
      /did you mean "description"/,
    );
    await expect(resources.apply({ ...input, project: "none" }, { by: "a" })).rejects.toMatchObject({
      code: "not_found",
    });
  });

  test("of many who make one name at once, one makes it", async () => {
    const input = { kind: "Dataset", project: "web", name: "raced", spec: {} };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => resources.apply(input, { by: "a", expectedGeneration: 0 })),
    );
    expect(outcomes.filter((outcome) => outcome.status === "fulfilled").length).toBe(1);
  });

  test("an empty database is rebuilt from the mirror, identical", async () => {
    for (let i = 0; i < 30; i++) {
      const name = `random-${i % 7}`;
      if (i % 5 === 4) await resources.delete({ kind: "Dataset", project: "web", name }, { by: "a" }).catch(() => {});
      else
        await resources.apply(
          { kind: "Dataset", project: "web", name, labels: { i: String(i) }, spec: { description: `${i}` } },
          { by: "a" },
        );
    }
    const all = () =>
      database.sql`SELECT id, kind, project, name, generation, labels, spec, created_at, updated_at, updated_by FROM resources ORDER BY kind, project, name`;
    const before = await all();
    await expect(restoreDefinitions({ store, sql: database.sql })).rejects.toMatchObject({ code: "conflict" });
    await database.sql`TRUNCATE resources, events, mirror_progress`;
    await restoreDefinitions({ store, sql: database.sql });
    expect([...(await all())]).toEqual([...before]);
  });
});
