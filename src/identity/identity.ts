import { createHash, timingSafeEqual } from "node:crypto";
import { hash as argonHash, verify as argonVerify } from "@node-rs/argon2";
import {
  type Clock,
  type DatasetPath,
  formatDatasetPath,
  type Instant,
  instant,
  MillraceError,
  type OrganizationName,
  organizationName,
  type ProjectName,
  type Random,
  type UserName,
  userName,
} from "../base/index.ts";
import { projectKind, type Resources } from "../resources/index.ts";
import { Attempts } from "./attempts.ts";
import { Directory, type TokenEntry, type UserEntry } from "./directory.ts";
import {
  grantKind,
  memberKind,
  organizationKind,
  type Privilege,
  type Role,
  scopes,
  secretKind,
  tokenKind,
  userKind,
} from "./kinds.ts";
import { type Action, decide, type Target } from "./policy.ts";
import type { MasterKeys } from "./secrets.ts";

export interface Principal {
  readonly organization: OrganizationName;
  readonly user: UserName;
  readonly tokenId: string | null;
  readonly scopes: readonly string[];
  readonly isOwner: boolean;
}

export type Credentials =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "password"; readonly user: string; readonly password: string };

export interface TokenView {
  readonly id: string;
  readonly user: string;
  readonly label: string;
  readonly scopes: string[];
  readonly createdAt: Instant;
  readonly expiresAt: Instant | null;
}

export interface IdentityOptions {
  readonly resources: Resources;
  readonly masterKeys: MasterKeys;
  readonly clock: Clock;
  readonly random: Random;
}

const tokenPattern = /^mlr_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;
/** OWASP's recommendation for argon2id: 19 MiB, two passes, one lane. */
const argonOptions = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
const leastPassword = 8;

/** Who asks, and what they may do. */
export class Identity {
  readonly #resources: Resources;
  readonly #keys: MasterKeys;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #directory: Directory;
  readonly #attempts: Attempts;
  /** A hash of no password: checking it takes as long as checking a user's. */
  readonly #decoy: Promise<string>;
  #organization: OrganizationName = organizationName("default");

  constructor({ resources, masterKeys, clock, random }: IdentityOptions) {
    this.#resources = resources;
    this.#keys = masterKeys;
    this.#clock = clock;
    this.#random = random;
    this.#directory = new Directory(resources, clock);
    this.#attempts = new Attempts(clock);
    this.#decoy = argonHash(Buffer.from(random.bytes(16)), argonOptions);
    this.#decoy.catch(() => {});
  }

  /** Caches of decisions are keyed by it. */
  get version(): number {
    return this.#directory.version;
  }

  /** Another process has changed something. */
  invalidate(): void {
    this.#directory.invalidate();
  }

  /** Makes the organization and its owner with a first token, once. @returns the token, or null when they exist */
  async bootstrap(input: { organization: OrganizationName; owner: UserName }): Promise<string | null> {
    this.#organization = input.organization;
    const { users } = await this.#directory.current();
    if (users.size > 0) return null;
    const by = "millrace";
    await this.#resources.apply({ kind: organizationKind.kind, name: input.organization, spec: {} }, { by });
    await this.#resources.apply(
      { kind: userKind.kind, name: input.owner, spec: { isOwner: true, passwordHash: null } },
      { by },
    );
    this.#directory.invalidate();
    return (await this.createToken({ user: input.owner, label: "first start", scopes: ["admin"] }, input.owner)).token;
  }

  /** @throws unauthenticated, too_many_requests */
  async authenticate(credentials: Credentials): Promise<Principal> {
    return credentials.kind === "token"
      ? await this.#byToken(credentials.token)
      : await this.#byPassword(credentials.user, credentials.password);
  }

  async allows(principal: Principal, action: Action, target: Target): Promise<boolean> {
    const subject = {
      user: principal.user,
      isOwner: principal.isOwner,
      scopes: principal.tokenId === null ? null : principal.scopes,
    };
    return decide(subject, action, target, await this.#directory.current());
  }

  /** @throws forbidden; not_found or dataset_not_found where the caller may not even see the thing */
  async authorize(principal: Principal, action: Action, target: Target): Promise<void> {
    if (await this.allows(principal, action, target)) return;
    if (target.dataset !== undefined && !(await this.#seesDataset(principal, target.dataset))) {
      throw new MillraceError("dataset_not_found", `There is no dataset ${formatDatasetPath(target.dataset)}.`);
    }
    if (
      target.dataset === undefined &&
      target.project !== undefined &&
      !(await this.allows(principal, "project.view", target))
    ) {
      throw new MillraceError("not_found", `There is no project ${target.project}.`);
    }
    throw new MillraceError("forbidden", `The user ${principal.user} may not do this (${action}).`, {
      hint: "Ask an owner of the project for a role or a grant, or use a token with a wider scope.",
    });
  }

  async #seesDataset(principal: Principal, dataset: DatasetPath): Promise<boolean> {
    const target = { dataset };
    return (
      (await this.allows(principal, "dataset.select", target)) ||
      (await this.allows(principal, "dataset.insert", target))
    );
  }

  async #byToken(token: string): Promise<Principal> {
    const [, id = "", secret = ""] = tokenPattern.exec(token) ?? [];
    const { tokens, users } = await this.#directory.current();
    const known = tokens.get(id);
    const given = createHash("sha256").update(secret).digest();
    const wanted = Buffer.from(known?.hash ?? "00".repeat(32), "hex");
    const right = timingSafeEqual(given, wanted) && known !== undefined;
    const expired =
      known?.expiresAtMs !== undefined && known.expiresAtMs !== null && known.expiresAtMs <= this.#clock.now();
    const user = known === undefined ? undefined : users.get(known.user);
    if (!right || expired || user === undefined) {
      throw new MillraceError(
        "unauthenticated",
        expired && right ? "The token has expired." : "The token is not valid.",
        {
          hint: "The first token stands in owner.token of the server's data folder.",
        },
      );
    }
    return this.#principal(user, known.id, known.scopes);
  }

  async #byPassword(name: string, password: string): Promise<Principal> {
    // A token in the place of a password, as tools that know only passwords send it.
    if (tokenPattern.test(password)) {
      const principal = await this.#byToken(password);
      if (principal.user === name) return principal;
      throw wrongPassword();
    }
    this.#attempts.check(name);
    const user = (await this.#directory.current()).users.get(name);
    const right = await argonVerify(user?.passwordHash ?? (await this.#decoy), password);
    if (!right || user === undefined || user.passwordHash === null) {
      this.#attempts.failed(name);
      throw wrongPassword();
    }
    this.#attempts.succeeded(name);
    return this.#principal(user, null, []);
  }

  #principal(user: UserEntry, tokenId: string | null, granted: readonly string[]): Principal {
    return {
      organization: this.#organization,
      user: userName(user.name),
      tokenId,
      scopes: granted,
      isOwner: user.isOwner,
    };
  }

  async listUsers(): Promise<{ name: string; isOwner: boolean; createdAt: Instant }[]> {
    const { users } = await this.#directory.current();
    return [...users.values()].map(({ name, isOwner, createdAt }) => ({ name, isOwner, createdAt }));
  }

  /** @throws already_exists, bad_request on a short password */
  async createUser(
    input: { name: UserName; password?: string },
    by: UserName,
  ): Promise<{ name: string; isOwner: boolean; createdAt: Instant }> {
    const passwordHash = input.password === undefined ? null : await hashPassword(input.password);
    const { users } = await this.#directory.current();
    if (users.has(input.name)) throw new MillraceError("already_exists", `The user ${input.name} exists already.`);
    const spec = { isOwner: false, passwordHash };
    const { resource } = await this.#resources.apply(
      { kind: userKind.kind, name: input.name, spec },
      { by, expectedGeneration: 0 },
    );
    this.#directory.invalidate();
    return { name: resource.name, isOwner: false, createdAt: resource.createdAt };
  }

  /** With the user go their tokens. @throws not_found, conflict for an owner */
  async deleteUser(name: UserName, by: UserName): Promise<void> {
    const { users, tokens } = await this.#directory.current();
    if (users.get(name)?.isOwner === true)
      throw new MillraceError("conflict", `The user ${name} owns the organization.`);
    for (const token of [...tokens.values()].filter((one) => one.user === name)) await this.revokeToken(token.id, by);
    await this.#resources.delete({ kind: userKind.kind, project: null, name }, { by });
    this.#directory.invalidate();
  }

  /** @throws not_found, bad_request */
  async setPassword(name: UserName, password: string, by: UserName): Promise<void> {
    const user = (await this.#directory.current()).users.get(name);
    if (user === undefined) throw new MillraceError("not_found", `There is no user ${name}.`);
    const spec = { isOwner: user.isOwner, passwordHash: await hashPassword(password) };
    await this.#resources.apply({ kind: userKind.kind, name, spec }, { by });
    this.#directory.invalidate();
  }

  async listTokens(user: UserName): Promise<TokenView[]> {
    const { tokens } = await this.#directory.current();
    return [...tokens.values()].filter((token) => token.user === user).map(tokenView);
  }

  /** The token's text is told here and never again. @throws not_found, bad_request on an unknown scope */
  async createToken(
    input: { user: UserName; label: string; scopes: readonly string[]; expiresAt?: Instant },
    by: UserName,
  ): Promise<TokenView & { token: string }> {
    if (!(await this.#directory.current()).users.has(input.user))
      throw new MillraceError("not_found", `There is no user ${input.user}.`);
    const unknown = input.scopes.find(
      (scope) => !scopes.some((known) => known === scope) && !scope.startsWith("project:"),
    );
    if (unknown !== undefined || input.scopes.length === 0) {
      throw new MillraceError("bad_request", `"${unknown ?? ""}" is not a scope.`, {
        hint: `Say ${scopes.join(", ")}, and project:NAME to limit them.`,
      });
    }
    const id = Buffer.from(this.#random.bytes(6)).toString("hex");
    const secret = Buffer.from(this.#random.bytes(32)).toString("base64url");
    const spec = {
      user: input.user,
      label: input.label,
      hash: createHash("sha256").update(secret).digest("hex"),
      scopes: [...input.scopes],
      expiresAtMs: input.expiresAt ?? null,
    };
    const { resource } = await this.#resources.apply(
      { kind: tokenKind.kind, name: id, spec },
      { by, expectedGeneration: 0 },
    );
    this.#directory.invalidate();
    return { ...tokenView({ id, ...spec, createdAt: resource.createdAt }), token: `mlr_${id}_${secret}` };
  }

  /** @throws not_found */
  async revokeToken(id: string, by: UserName): Promise<void> {
    await this.#resources.delete({ kind: tokenKind.kind, project: null, name: id }, { by });
    this.#directory.invalidate();
  }

  async tokenOwner(id: string): Promise<UserName | null> {
    const token = (await this.#directory.current()).tokens.get(id);
    return token === undefined ? null : userName(token.user);
  }

  async listGrants(project: ProjectName): Promise<Grant[]> {
    const [members, grants] = await Promise.all([
      this.#resources.list(memberKind, { project }),
      this.#resources.list(grantKind, { project }),
    ]);
    return [
      ...members.map((member) => ({ kind: "role" as const, user: member.name, role: member.spec.role })),
      ...grants.flatMap(({ spec }) =>
        spec.privileges.map((privilege) => ({
          kind: "dataset" as const,
          user: spec.user,
          dataset: spec.dataset,
          privilege,
        })),
      ),
    ];
  }

  /** null takes the role away. @throws not_found */
  async setRole(input: { project: ProjectName; user: UserName; role: Role | null }, by: UserName): Promise<void> {
    await this.#checkUser(input.user);
    const ref = { kind: memberKind.kind, project: input.project, name: input.user };
    if (input.role !== null) await this.#resources.apply({ ...ref, spec: { role: input.role } }, { by });
    else if ((await this.#resources.get(memberKind, input.project, input.user)) !== null)
      await this.#resources.delete(ref, { by });
    this.#directory.invalidate();
  }

  /** @throws not_found */
  async grant(input: { dataset: DatasetPath; user: UserName; privilege: Privilege }, by: UserName): Promise<void> {
    await this.#checkUser(input.user);
    await this.#changeGrant(input, (held) => [...new Set([...held, input.privilege])], by);
  }

  async revoke(input: { dataset: DatasetPath; user: UserName; privilege: Privilege }, by: UserName): Promise<void> {
    await this.#changeGrant(input, (held) => held.filter((privilege) => privilege !== input.privilege), by);
  }

  async #changeGrant(
    { dataset, user }: { dataset: DatasetPath; user: UserName },
    change: (held: readonly Privilege[]) => Privilege[],
    by: UserName,
  ): Promise<void> {
    const name = `${dataset.dataset}.${user}`;
    const held = (await this.#resources.get(grantKind, dataset.project, name))?.spec.privileges ?? [];
    const next = change(held);
    const ref = { kind: grantKind.kind, project: dataset.project, name };
    if (next.length > 0)
      await this.#resources.apply({ ...ref, spec: { dataset: dataset.dataset, user, privileges: next } }, { by });
    else if (held.length > 0) await this.#resources.delete(ref, { by });
    this.#directory.invalidate();
  }

  async #checkUser(user: UserName): Promise<void> {
    if (!(await this.#directory.current()).users.has(user))
      throw new MillraceError("not_found", `There is no user ${user}.`);
  }

  async listSecrets(project: ProjectName): Promise<{ name: string; updatedAt: Instant }[]> {
    return (await this.#resources.list(secretKind, { project })).map(({ name, updatedAt }) => ({ name, updatedAt }));
  }

  async putSecret(input: { project: ProjectName; name: string; value: string }, by: UserName): Promise<void> {
    const spec = this.#keys.seal(input.value, `${input.project}/${input.name}`);
    await this.#resources.apply({ kind: secretKind.kind, project: input.project, name: input.name, spec }, { by });
  }

  async deleteSecret(input: { project: ProjectName; name: string }, by: UserName): Promise<void> {
    await this.#resources.delete({ kind: secretKind.kind, project: input.project, name: input.name }, { by });
  }

  /** For connections; never for a reader of the API. @throws not_found, unavailable */
  async openSecret(project: ProjectName, name: string): Promise<string> {
    const secret = await this.#resources.get(secretKind, project, name);
    if (secret === null) throw new MillraceError("not_found", `There is no secret ${project}/${name}.`);
    return this.#keys.unseal(secret.spec, `${project}/${name}`);
  }

  /** Seals every secret under a new master key, then drops the old ones. Safe to be cut off and called again. */
  async rotateMasterKey(by: UserName): Promise<{ resealed: number }> {
    await this.#keys.rotate();
    let resealed = 0;
    for (const project of await this.#resources.list(projectKind)) {
      for (const secret of await this.#resources.list(secretKind, { project: project.name })) {
        const context = `${project.name}/${secret.name}`;
        const spec = this.#keys.seal(this.#keys.unseal(secret.spec, context), context);
        await this.#resources.apply({ kind: secretKind.kind, project: project.name, name: secret.name, spec }, { by });
        resealed++;
      }
    }
    await this.#keys.retire();
    return { resealed };
  }
}

export type Grant =
  | { readonly kind: "role"; readonly user: string; readonly role: Role }
  | { readonly kind: "dataset"; readonly user: string; readonly dataset: string; readonly privilege: Privilege };

function tokenView(token: TokenEntry): TokenView {
  const { id, user, label, createdAt } = token;
  return {
    id,
    user,
    label,
    scopes: [...token.scopes],
    createdAt,
    expiresAt: token.expiresAtMs === null ? null : instant(token.expiresAtMs),
  };
}

async function hashPassword(password: string): Promise<string> {
  if (password.length >= leastPassword && password.length <= 1_000) return await argonHash(password, argonOptions);
  throw new MillraceError("bad_request", `A password has ${leastPassword} to 1,000 characters.`);
}

function wrongPassword(): MillraceError {
  return new MillraceError("unauthenticated", "The user or the password is not right.");
}
