import {
  type Clock,
  type DatasetPath,
  formatDatasetPath,
  type Instant,
  type Logger,
  MillraceError,
  type OrganizationName,
  organizationName,
  type ProjectName,
  type Random,
  type Service,
  silentTelemetry,
  type UserName,
  userName,
} from "../base/index.ts";
import { projectKind, type Resources } from "../resources/index.ts";
import { Accounts, type NewTokenInput, type TokenView, type UserView } from "./accounts.ts";
import { Directory, type Known, type TokenEntry, type UserEntry } from "./directory.ts";
import { type Grant, Grants } from "./grants.ts";
import { organizationKind, type Privilege, type Role, userKind } from "./kinds.ts";
import { LastUsed } from "./last-used.ts";
import { Passwords } from "./passwords.ts";
import { type Action, decide, narrows, type Target } from "./policy.ts";
import type { MasterKeys } from "./secrets.ts";
import { Sessions } from "./sessions.ts";
import { isTokenText, tokenFits, tokenIdOf } from "./token-text.ts";
import { Vault } from "./vault.ts";

/** Who asks, and through what: a token, or a password (`tokenId` null). */
export interface Principal {
  readonly organization: OrganizationName;
  readonly user: UserName;
  readonly tokenId: string | null;
  readonly scopes: readonly string[];
  readonly isOwner: boolean;
}

export type Credentials =
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "password"; readonly user: string; readonly password: string; readonly address?: string };

export interface IdentityOptions {
  readonly resources: Resources;
  readonly masterKeys: MasterKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: Logger;
}

const platform = "millrace";

/** Who asks, and what they may do. Starting it is not needed; stopping it writes when tokens were used last. */
export class Identity implements Service {
  readonly name = "identity";
  readonly #resources: Resources;
  readonly #directory: Directory;
  readonly #passwords: Passwords;
  readonly #lastUsed: LastUsed;
  readonly #accounts: Accounts;
  readonly #sessions: Sessions;
  readonly #grants: Grants;
  readonly #vault: Vault;
  #organization: OrganizationName = organizationName("default");

  constructor({ resources, masterKeys, clock, random, log = silentTelemetry.log }: IdentityOptions) {
    this.#resources = resources;
    this.#directory = new Directory({ resources, clock, log });
    this.#passwords = new Passwords({ clock, random });
    this.#lastUsed = new LastUsed({ resources, clock, log });
    this.#accounts = new Accounts({ resources, directory: this.#directory, lastUsed: this.#lastUsed, clock, random });
    this.#sessions = new Sessions({
      resources,
      directory: this.#directory,
      accounts: this.#accounts,
      lastUsed: this.#lastUsed,
      clock,
    });
    this.#grants = new Grants(resources);
    this.#vault = new Vault({ resources, masterKeys, log });
  }

  async start(): Promise<void> {
    await this.#directory.current();
  }

  async stop(): Promise<void> {
    await this.#lastUsed.write();
  }

  /** Caches of decisions are keyed by it. */
  get version(): number {
    return this.#directory.version;
  }

  /** Another process has changed something. */
  invalidate(): void {
    this.#directory.invalidate();
  }

  /**
   * Makes the organization, the project `system` and the owner with a first token, once, all in one transaction; on every
   * start, ends a rotation of the master key that was cut off.
   * @param keep puts the token where its owner finds it, durably, before the transaction commits: a crash at any point
   * leaves either no organization, or a token that works.
   * @returns the token, or null where the organization exists
   */
  async bootstrap(input: {
    organization: OrganizationName;
    owner: UserName;
    keep?: (token: string) => Promise<void>;
  }): Promise<string | null> {
    this.#organization = input.organization;
    await this.#vault.resume(platform);
    if ((await this.#directory.current()).users.size > 0) return null;
    const once = { by: platform, expectedGeneration: 0 };
    try {
      return await this.#resources.change(async (changes) => {
        await changes.apply({ kind: organizationKind.kind, name: input.organization, spec: {} }, once);
        await changes.apply({ kind: projectKind.kind, name: "system", spec: {} }, { by: platform });
        const spec = { isOwner: true, passwordHash: null };
        await changes.apply({ kind: userKind.kind, name: input.owner, spec }, once);
        const wanted = { user: input.owner, label: "first start", scopes: ["admin"] };
        const { token } = await this.#accounts.mint(changes, wanted, platform);
        await input.keep?.(token);
        return token;
      });
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== "precondition_failed") throw error;
      this.#directory.invalidate(); // another server was quicker
      return null;
    }
  }

  /** @throws unauthenticated, too_many_requests, unavailable */
  async authenticate(credentials: Credentials): Promise<Principal> {
    const known = await this.#directory.current();
    if (credentials.kind === "token") return await this.#byToken(known, credentials.token);
    const { user: name, password, address = "" } = credentials;
    if (isTokenText(password)) {
      // As tools send it that know only passwords.
      const principal = await this.#byToken(known, password);
      if (principal.user === name) return principal;
      throw new MillraceError("unauthenticated", "The token is another user's.");
    }
    const user = known.users.get(name);
    await this.#passwords.check({ user: name, password, address }, user?.passwordHash ?? null);
    if (user === undefined) throw new Error("a password of no user was right");
    return this.#principal(user, null);
  }

  async allows(principal: Principal, action: Action, target: Target): Promise<boolean> {
    const known = await this.#directory.current();
    // Looked up again: what was revoked since the request came is revoked for the rest of it, too.
    const user = known.users.get(principal.user);
    if (user === undefined) return false;
    const token = principal.tokenId === null ? null : known.tokens.get(principal.tokenId);
    if (token === undefined || (token !== null && this.#hasExpired(token))) return false;
    const subject = { user: principal.user, isOwner: user.isOwner, scopes: token?.scopes ?? null };
    return decide(subject, action, target, known);
  }

  /** Whether all of these scopes lie within the principal's own: what it makes or takes over may reach no further. */
  async reaches({ tokenId }: Principal, scopes: readonly string[]): Promise<boolean> {
    if (tokenId === null) return true;
    const token = (await this.#directory.current()).tokens.get(tokenId);
    return token !== undefined && !this.#hasExpired(token) && narrows(token.scopes, scopes);
  }

  /** @throws forbidden; not_found or dataset_not_found where the caller may not even see the thing; unavailable */
  async authorize(principal: Principal, action: Action, target: Target): Promise<void> {
    if (await this.allows(principal, action, target)) return;
    const { dataset, project } = target;
    if (dataset !== undefined && !(await this.#seesDataset(principal, dataset))) {
      throw new MillraceError("dataset_not_found", `There is no dataset ${formatDatasetPath(dataset)}.`);
    }
    if (dataset === undefined && project !== undefined && !(await this.allows(principal, "project.view", target))) {
      throw new MillraceError("not_found", `There is no project ${project}.`);
    }
    throw new MillraceError("forbidden", `The user ${principal.user} may not do this (${action}).`, {
      hint: "Ask an owner of the project for a role or a grant, or use a token with a wider scope.",
    });
  }

  async #seesDataset(principal: Principal, dataset: DatasetPath): Promise<boolean> {
    for (const action of ["dataset.select", "dataset.insert"] as const) {
      if (await this.allows(principal, action, { dataset })) return true;
    }
    return false;
  }

  async #byToken({ tokens, users }: Known, text: string): Promise<Principal> {
    const token = tokens.get(tokenIdOf(text) ?? "");
    const fits = tokenFits(text, token?.hash ?? null);
    const user = users.get(token?.user ?? "");
    const hint = "The first token stands in owner.token of the server's data folder.";
    if (!fits || token === undefined || user === undefined) {
      throw new MillraceError("unauthenticated", "The token is not valid.", { hint });
    }
    if (await this.#hasExpiredEverywhere(token))
      throw new MillraceError("unauthenticated", "The token has expired.", { hint });
    this.#lastUsed.note(token.id);
    return this.#principal(user, token);
  }

  #hasExpired(token: TokenEntry): boolean {
    return this.#sessions.hasEnded(token);
  }

  /** A session that is idle here may be in use at another server. */
  async #hasExpiredEverywhere(token: TokenEntry): Promise<boolean> {
    if (!this.#hasExpired(token)) return false;
    if (token.idleMs === undefined) return true;
    const known = await this.#directory.refreshToken(token.id);
    return known === null || this.#hasExpired(known);
  }

  #principal(user: UserEntry, token: TokenEntry | null): Principal {
    return {
      organization: this.#organization,
      user: userName(user.name),
      tokenId: token?.id ?? null,
      scopes: token?.scopes ?? [],
      isOwner: user.isOwner,
    };
  }

  // What is administrated: see accounts.ts, grants.ts and vault.ts for what each throws. The caller has been authorized.

  listUsers = (): Promise<UserView[]> => this.#accounts.listUsers();
  createUser = (input: { name: UserName; password?: string }, by: UserName): Promise<UserView> =>
    this.#accounts.createUser(input, by);
  deleteUser = (name: UserName, by: UserName): Promise<void> => this.#accounts.deleteUser(name, by);
  setPassword = (name: UserName, password: string, by: UserName, asking: string | null): Promise<void> =>
    this.#accounts.setPassword(name, password, by, asking);
  listTokens = (user: UserName): Promise<TokenView[]> => this.#accounts.listTokens(user);
  createToken = (input: NewTokenInput, by: UserName): Promise<TokenView & { token: string }> =>
    this.#accounts.createToken(input, by);
  revokeToken = (id: string, by: UserName): Promise<void> => this.#accounts.revokeToken(id, by);
  tokenOwner = (id: string): Promise<UserName | null> => this.#accounts.tokenOwner(id);

  openSession = ({ user, tokenId }: Principal): Promise<TokenView & { token: string }> =>
    this.#sessions.open(user, tokenId);
  closeSession = (tokenId: string, by: UserName): Promise<void> => this.#sessions.close(tokenId, by);

  /** Whether no owner has a password yet. */
  async needsSetUp(): Promise<boolean> {
    const { users } = await this.#directory.current();
    return ![...users.values()].some((user) => user.isOwner && user.passwordHash !== null);
  }

  listGrants = (project: ProjectName): Promise<Grant[]> => this.#grants.list(project);
  setRole = (input: { project: ProjectName; user: UserName; role: Role | null }, by: UserName): Promise<void> =>
    this.#grants.setRole(input, by);
  grant = (input: { dataset: DatasetPath; user: UserName; privilege: Privilege }, by: UserName): Promise<void> =>
    this.#grants.grant(input, by);
  revoke = (input: { dataset: DatasetPath; user: UserName; privilege: Privilege }, by: UserName): Promise<void> =>
    this.#grants.revoke(input, by);

  listSecrets = (project: ProjectName): Promise<{ name: string; updatedAt: Instant }[]> => this.#vault.list(project);
  putSecret = (input: { project: ProjectName; name: string; value: string }, by: UserName): Promise<void> =>
    this.#vault.put(input, by);
  deleteSecret = (input: { project: ProjectName; name: string }, by: UserName): Promise<void> =>
    this.#vault.delete(input, by);
  openSecret = (project: ProjectName, name: string): Promise<string> => this.#vault.open(project, name);
  rotateMasterKey = (by: UserName): Promise<{ resealed: number }> => this.#vault.rotate(by);
}
