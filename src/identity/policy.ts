import type { DatasetPath, ProjectName, UserName } from "../base/index.ts";
import type { Privilege, Role } from "./kinds.ts";

// The whole policy, on one page. Denied by default: what no line below allows is not allowed.

export type Action =
  | "organization.admin"
  | "project.view"
  | "project.edit"
  | "project.admin"
  | "dataset.select"
  | "dataset.insert"
  | "dataset.alter"
  | "dataset.admin";

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

const roleAllows: Readonly<Record<Role, readonly Action[]>> = {
  viewer: ["project.view", "dataset.select"],
  editor: ["project.view", "project.edit", "dataset.select", "dataset.insert", "dataset.alter"],
  owner: [
    "project.view",
    "project.edit",
    "project.admin",
    "dataset.select",
    "dataset.insert",
    "dataset.alter",
    "dataset.admin",
  ],
};

const privilegeAllows: Readonly<Record<Privilege, readonly Action[]>> = {
  select: ["dataset.select"],
  insert: ["dataset.insert"],
  alter: ["dataset.select", "dataset.alter"],
  admin: ["dataset.select", "dataset.insert", "dataset.alter", "dataset.admin"],
};

const scopeAllows: Readonly<Record<string, readonly Action[]>> = {
  read: ["project.view", "dataset.select"],
  write: ["project.view", "project.edit", "dataset.select", "dataset.insert", "dataset.alter"],
  admin: [
    "organization.admin",
    "project.view",
    "project.edit",
    "project.admin",
    "dataset.select",
    "dataset.insert",
    "dataset.alter",
    "dataset.admin",
  ],
};

/** A token narrows what its user may do, and the user must be allowed it. */
export function decide(subject: Subject, action: Action, target: Target, declared: Declared): boolean {
  return withinScopes(subject.scopes, action, target) && userMay(subject, action, target, declared);
}

function userMay(subject: Subject, action: Action, target: Target, declared: Declared): boolean {
  if (subject.isOwner) return true;
  const project = target.dataset?.project ?? target.project;
  if (project === undefined) return false;
  const role = declared.role(project, subject.user);
  if (role !== null && roleAllows[role].includes(action)) return true;
  if (target.dataset === undefined) return false;
  return declared
    .privileges(target.dataset, subject.user)
    .some((privilege) => privilegeAllows[privilege].includes(action));
}

function withinScopes(scopes: readonly string[] | null, action: Action, target: Target): boolean {
  if (scopes === null) return true;
  const projects = scopes
    .filter((scope) => scope.startsWith("project:"))
    .map((scope) => scope.slice("project:".length));
  const project = target.dataset?.project ?? target.project;
  if (projects.length > 0 && (project === undefined || !projects.includes(project))) return false;
  return scopes.some((scope) => scopeAllows[scope]?.includes(action) ?? false);
}
