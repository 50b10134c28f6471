import { z } from "zod";
import { organizationName, userName } from "../base/index.ts";
import type { Kind, ResourceName } from "../resources/index.ts";

// What identity declares, as resources like all else: one write path, one mirror. Hashes and sealed values only. With a
// user go their tokens, roles and grants, with a dataset or project what was granted on it: a name made anew begins bare.

const userRef = (name: string): ResourceName => ({ kind: "User", project: null, name });

export const organizationKind: Kind<{ displayName?: string }> = {
  kind: "Organization",
  scope: "organization",
  schema: z.strictObject({ displayName: z.string().max(200).exactOptional() }),
  internal: true,
  checkName: (name) => void organizationName(name),
};

export const userSpec = z.strictObject({
  /** Owns the organization: may do everything. */
  isOwner: z.boolean(),
  /** argon2id in its own text form (PHC); null: no password. */
  passwordHash: z.string().nullable(),
});
export const userKind: Kind<z.infer<typeof userSpec>> = {
  kind: "User",
  scope: "organization",
  schema: userSpec,
  internal: true,
  checkName: (name) => void userName(name),
};

export const scopes = ["read", "write", "admin"] as const;

export const tokenSpec = z.strictObject({
  user: z.string(),
  label: z.string().max(200),
  /** sha-256 of the secret part, hex: the secret has 256 random bits, so that no slow hash is needed. */
  hash: z.string(),
  /** What it may do at most; `project:NAME` limits it to projects. */
  scopes: z.array(z.string().max(100)).max(100),
  expiresAtMs: z.number().nullable(),
  /** It is a session of a browser: unused for so long, it has ended. */
  idleMs: z.int().positive().exactOptional(),
});
export const tokenKind: Kind<z.infer<typeof tokenSpec>> = {
  kind: "Token",
  scope: "organization",
  schema: tokenSpec,
  internal: true,
  whenOwnerGoes: "go",
  owners: ({ spec }) => [userRef(spec.user)],
};

export const roles = ["owner", "editor", "viewer"] as const;
export type Role = (typeof roles)[number];

/** A user's role in a project; named by the user. */
export const memberKind: Kind<{ role: Role }> = {
  kind: "Member",
  scope: "project",
  schema: z.strictObject({ role: z.enum(roles) }),
  internal: true,
  whenOwnerGoes: "go",
  owners: ({ name }) => [userRef(name)],
};

export const privileges = ["select", "insert", "alter", "admin"] as const;
export type Privilege = (typeof privileges)[number];

/** A user's privileges on one dataset; named `DATASET.USER`. */
export const grantSpec = z.strictObject({
  dataset: z.string(),
  user: z.string(),
  privileges: z.array(z.enum(privileges)),
});
export const grantKind: Kind<z.infer<typeof grantSpec>> = {
  kind: "Grant",
  scope: "project",
  schema: grantSpec,
  internal: true,
  whenOwnerGoes: "go",
  owners: ({ project, spec }) => [userRef(spec.user), { kind: "Dataset", project, name: spec.dataset }],
};

/** A sealed value: AES-256-GCM under the named key. */
export const secretSpec = z.strictObject({ keyId: z.string(), nonce: z.string(), sealed: z.string() });
export const secretKind: Kind<z.infer<typeof secretSpec>> = {
  kind: "Secret",
  scope: "project",
  schema: secretSpec,
  internal: true,
};

export const identityKinds: readonly Kind[] = [
  organizationKind,
  userKind,
  tokenKind,
  memberKind,
  grantKind,
  secretKind,
];
