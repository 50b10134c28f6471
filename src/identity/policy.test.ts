import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { datasetPath, projectName, userName } from "../base/index.ts";
import { privileges, roles, scopes } from "./kinds.ts";
import { type Action, actions, type Declared, decide, narrows, type Subject, type Target } from "./policy.ts";

const access = datasetPath("web.access");
const targets: readonly Target[] = [
  {},
  { project: projectName("web") },
  { project: projectName("other") },
  { project: projectName("system") },
  { dataset: access },
  { dataset: datasetPath("web.errors") },
  { dataset: datasetPath("other.access") },
  { dataset: datasetPath("system.queries") },
];
const nothing: Declared = { role: () => null, privileges: () => [] };
const user = userName("anna");

const anyScopes = fc.subarray([...scopes, "project:web", "project:other", "project:system"]);
const anyRole = fc.option(fc.constantFrom(...roles));
const anyPrivileges = fc.subarray([...privileges]);
const anySubject = fc
  .record({ isOwner: fc.boolean(), scopes: fc.option(anyScopes) })
  .map((given) => ({ user, ...given }));
const anyDeclared = fc
  .record({ role: anyRole, held: anyPrivileges })
  .map(({ role, held }): Declared & { held: typeof held } => ({
    held,
    role: (project) => (project === "web" ? role : null),
    privileges: (dataset) => (dataset === access ? held : []),
  }));
const anyAction = fc.constantFrom(...actions);
const anyTarget = fc.constantFrom(...targets);
const runs = { numRuns: 5_000 };

function allowed(subject: Subject, declared: Declared): string[] {
  return targets.flatMap((target, at) =>
    actions.filter((action) => decide(subject, action, target, declared)).map((action) => `${action} ${at}`),
  );
}

describe("the policy", () => {
  test("denies by default: who has been declared nothing may nothing, whatever their token says", () => {
    fc.assert(
      fc.property(fc.option(anyScopes), (limits) => {
        expect(allowed({ user, isOwner: false, scopes: limits }, nothing)).toEqual([]);
      }),
      runs,
    );
  });

  test("what is declared about one project or dataset reaches no other", () => {
    fc.assert(
      fc.property(anyDeclared, anyAction, anyTarget, (declared, action, target) => {
        const subject = { user, isOwner: false, scopes: null };
        const project = target.dataset?.project ?? target.project;
        if (project !== "web") expect(decide(subject, action, target, declared)).toBe(false);
      }),
      runs,
    );
  });

  test("is monotone: a further privilege or a higher role takes nothing away", () => {
    const rank = [null, "viewer", "editor", "owner"] as const;
    fc.assert(
      fc.property(
        anySubject,
        anyDeclared,
        fc.constantFrom(...privileges),
        fc.nat(3),
        fc.nat(3),
        (subject, declared, more, a, b) => {
          const with2 = (role: (typeof rank)[number] | undefined, held: readonly (typeof privileges)[number][]) =>
            new Set(allowed(subject, { role: (p) => (p === "web" ? (role ?? null) : null), privileges: () => held }));
          const less = with2(rank[Math.min(a, b)], declared.held);
          const great = with2(rank[Math.max(a, b)], [...declared.held, more]);
          expect(less.isSubsetOf(great)).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("scopes only narrow", () => {
    fc.assert(
      fc.property(anySubject, anyDeclared, anyScopes, (subject, declared, limits) => {
        const whole = new Set(allowed({ ...subject, scopes: null }, declared));
        expect(new Set(allowed({ ...subject, scopes: limits }, declared)).isSubsetOf(whole)).toBe(true);
        if (limits.length === 0) expect(allowed({ ...subject, scopes: limits }, declared)).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  test("narrows says yes exactly where a token of those scopes can do nothing more", () => {
    fc.assert(
      fc.property(anyScopes, anyScopes, (held, wanted) => {
        const reach = (limits: readonly string[]) => new Set(allowed({ user, isOwner: true, scopes: limits }, nothing));
        const fits = reach(wanted).isSubsetOf(reach(held));
        if (narrows(held, wanted)) expect(fits).toBe(true);
        // The other way for tokens that can do something at all, and whose projects are all among the targets.
        else if (reach(wanted).size > 0 && reach(held).size > 0 && !wanted.includes("project:system")) {
          expect(fits && held.every((scope) => !scope.startsWith("project:"))).toBe(false);
        }
      }),
      runs,
    );
  });

  test.each<[Action, Target, boolean]>([
    ["dataset.select", { dataset: datasetPath("system.queries") }, true],
    ["dataset.admin", { dataset: datasetPath("system.queries") }, true],
    ["dataset.insert", { dataset: datasetPath("system.queries") }, false],
    ["dataset.alter", { dataset: datasetPath("system.queries") }, false],
    ["project.edit", { project: projectName("system") }, false],
    ["organization.admin", {}, true],
  ])("of an organization's owner: %s on %j is %s", (action, target, expected) => {
    expect(decide({ user, isOwner: true, scopes: null }, action, target, nothing)).toBe(expected);
  });

  test("the table of roles and privileges", () => {
    const table = (declared: Declared) => allowed({ user, isOwner: false, scopes: null }, declared);
    const inWeb = (role: (typeof roles)[number]) => ({
      ...nothing,
      role: (project: string) => (project === "web" ? role : null),
    });
    expect(table(inWeb("viewer"))).toEqual([
      "project.view 1",
      "dataset.select 1",
      "project.view 4",
      "dataset.select 4",
      "project.view 5",
      "dataset.select 5",
    ]);
    expect(table(inWeb("editor")).filter((one) => one.endsWith(" 4"))).toEqual([
      "project.view 4",
      "project.edit 4",
      "dataset.select 4",
      "dataset.insert 4",
      "dataset.alter 4",
    ]);
    expect(table(inWeb("owner")).filter((one) => one.endsWith(" 1"))).toEqual(
      actions.filter((action) => action !== "organization.admin").map((action) => `${action} 1`),
    );
    const holding = (held: (typeof privileges)[number]) =>
      table({ ...nothing, privileges: (dataset) => (dataset === access ? [held] : []) });
    expect(holding("select")).toEqual(["dataset.select 4"]);
    expect(holding("insert")).toEqual(["dataset.insert 4"]);
    expect(holding("alter")).toEqual(["dataset.select 4", "dataset.alter 4"]);
    expect(holding("admin")).toEqual(["dataset.select 4", "dataset.insert 4", "dataset.alter 4", "dataset.admin 4"]);
  });
});
