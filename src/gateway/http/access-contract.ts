import type { DatasetPath, Instant, OrganizationName, ProjectName, UserName } from "../../base/index.ts";
import type { Authenticator } from "../edge/index.ts";
import type { GrantView, TokenView, UserView } from "./views.ts";

/** Who asks, as identity says. */
export interface Principal {
  readonly organization: OrganizationName;
  readonly user: UserName;
  readonly tokenId: string | null;
  readonly scopes: readonly string[];
  readonly isOwner: boolean;
}

export type Action =
  | "organization.admin"
  | "project.view"
  | "project.edit"
  | "project.admin"
  | "dataset.select"
  | "dataset.insert"
  | "dataset.alter"
  | "dataset.admin";
export interface ActionTarget {
  readonly project?: ProjectName;
  readonly dataset?: DatasetPath;
}

/** Identity's decisions. `authorize` throws forbidden, or not_found where the caller may not even know of the thing. */
export interface Access extends Authenticator<Principal> {
  authorize(principal: Principal, action: Action, target: ActionTarget): Promise<void>;
  allows(principal: Principal, action: Action, target: ActionTarget): Promise<boolean>;
  /** Whether these scopes, taken together, lie within what the principal's token may; a password reaches all. */
  reaches(principal: Principal, scopes: readonly string[]): Promise<boolean>;
}

export type Role = "owner" | "editor" | "viewer";
export type Privilege = "select" | "insert" | "alter" | "admin";

/** What identity does on request; the caller has been authorized. `by` is who asked. */
export interface AccessAdministration {
  listUsers(): Promise<UserView[]>;
  createUser(input: { name: UserName; password?: string }, by: UserName): Promise<UserView>;
  deleteUser(name: UserName, by: UserName): Promise<void>;
  /** Ends the user's sessions but for `asking`, the token that asks. */
  setPassword(name: UserName, password: string, by: UserName, asking: string | null): Promise<void>;
  listTokens(user: UserName): Promise<TokenView[]>;
  createToken(
    input: {
      user: UserName;
      label: string;
      scopes: readonly string[];
      expiresAt?: Instant;
      /** The token that asks: the new one reaches no further and lives no longer. null: a password asks. */
      mintedBy: string | null;
    },
    by: UserName,
  ): Promise<TokenView & { token: string }>;
  revokeToken(id: string, by: UserName): Promise<void>;
  /** A session of a browser: reaches as far as what the principal came with, and lives no longer. */
  openSession(principal: Principal): Promise<{ readonly token: string; readonly expiresAt: Instant }>;
  /** Ends a session; a token that is none stays. */
  closeSession(tokenId: string, by: UserName): Promise<void>;
  /** Whether no owner has a password yet. */
  needsSetUp(): Promise<boolean>;
  /** null where there is no such token. */
  tokenOwner(id: string): Promise<UserName | null>;
  listGrants(project: ProjectName): Promise<GrantView[]>;
  setRole(input: { project: ProjectName; user: UserName; role: Role | null }, by: UserName): Promise<void>;
  grant(input: { dataset: DatasetPath; user: UserName; privilege: Privilege }, by: UserName): Promise<void>;
  revoke(input: { dataset: DatasetPath; user: UserName; privilege: Privilege }, by: UserName): Promise<void>;
  listSecrets(project: ProjectName): Promise<{ name: string; updatedAt: Instant }[]>;
  putSecret(input: { project: ProjectName; name: string; value: string }, by: UserName): Promise<void>;
  deleteSecret(input: { project: ProjectName; name: string }, by: UserName): Promise<void>;
}
