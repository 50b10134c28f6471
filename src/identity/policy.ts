import type { DatasetPath, ProjectName, UserName } from "../base/index.ts";
import type { Privilege, Role } from "./kinds.ts";

// The whole policy, on one page. Denied by default: what no line below allows is not allowed.
//
//   allowed = within the token's scopes  and  not kept for the platform  and
//             (owner of the organization  or  role in the project  or  privilege on the dataset)

export const actions = [
  "organization.admin",
  "project.view",
  "project.edit",
  "project.admin",
  "dataset.select",
  "dataset.insert",
  "dataset.alter",
  "dataset.admin",
] as const;
export type Action = (typeof actions)[number];

export interface Target {
  readonly project?: ProjectName;
  readonly dataset?: DatasetPath;
}

/** What is known of who asks. */
export interface Subject {
  readonly user: UserName;
  readonly isOwner: boolean;
  /** Scopes of the token in use; null for a password. */
  readonly scopes: readonly string[] | null;
}

/** What is declared about them. */
export interface Declared {
  role(project: string, user: string): Role | null;
  privileges(dataset: DatasetPath, user: string): readonly Privilege[];
}

const viewing = ["project.view", "dataset.select"] as const;
const editing = [...viewing, "project.edit", "dataset.insert", "dataset.alter"] as const;
const owning = [...editing, "project.admin", "dataset.admin"] as const;

const roleAllows: Readonly<Record<Role, readonly Action[]>> = { viewer: viewing, editor: editing, owner: owning };

const privilegeAllows: Readonly<Record<Privilege, readonly Action[]>> = {
  select: ["dataset.select"],
  insert: ["dataset.insert"],
  alter: ["dataset.select", "dataset.alter"],
  admin: ["dataset.select", "dataset.insert", "dataset.alter", "dataset.admin"],
};

/** Besides these, `project:NAME` limits a token to the projects named so. */
const scopeAllows: ReadonlyMap<string, readonly Action[]> = new Map<string, readonly Action[]>([
  ["read", viewing],
  ["write", editing],
  ["admin", actions],
]);

/** The project of audit and history: the platform alone writes there, so that nobody can make up what happened. */
const platformProject = "system";
const keptForPlatform: readonly Action[] = ["project.edit", "dataset.insert", "dataset.alter"];

export function decide(subject: Subject, action: Action, target: Target, declared: Declared): boolean {
  const project = target.dataset?.project ?? target.project;
  if (!withinScopes(subject.scopes, action, project)) return false;
  if (project === platformProject && keptForPlatform.includes(action)) return false;
  if (subject.isOwner) return true;
  if (project === undefined) return false;
  const role = declared.role(project, subject.user);
  if (role !== null && roleAllows[role].includes(action)) return true;
  if (target.dataset === undefined) return false;
  return declared
    .privileges(target.dataset, subject.user)
    .some((privilege) => privilegeAllows[privilege].includes(action));
}

function withinScopes(scopes: readonly string[] | null, action: Action, project: string | undefined): boolean {
  if (scopes === null) return true;
  const projects = projectsOf(scopes);
  if (projects.length > 0 && (project === undefined || !projects.includes(project))) return false;
  return scopes.some((scope) => scopeAllows.get(scope)?.includes(action) ?? false);
}

/** A token with the scopes `wanted` may nothing that one with `held` may not: a token makes only such tokens. */
export function narrows(held: readonly string[] | null, wanted: readonly string[]): boolean {
  if (held === null) return true;
  const [within, asked] = [projectsOf(held), projectsOf(wanted)];
  const projectsFit = within.length === 0 || (asked.length > 0 && asked.every((project) => within.includes(project)));
  const reach = (scopes: readonly string[]) => new Set(scopes.flatMap((scope) => scopeAllows.get(scope) ?? []));
  return projectsFit && reach(wanted).isSubsetOf(reach(held));
}

function projectsOf(scopes: readonly string[]): string[] {
  return scopes.filter((scope) => scope.startsWith("project:")).map((scope) => scope.slice("project:".length));
}
