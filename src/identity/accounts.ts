import {
  type Clock,
  type Instant,
  instant,
  MillraceError,
  type Random,
  type UserName,
  userName,
} from "../base/index.ts";
import type { Changes, Resources } from "../resources/index.ts";
import type { Directory, TokenEntry } from "./directory.ts";
import { scopes, tokenKind, userKind } from "./kinds.ts";
import type { LastUsed } from "./last-used.ts";
import { hashPassword } from "./passwords.ts";
import { narrows } from "./policy.ts";
import { newToken } from "./token-text.ts";

export interface UserView {
  readonly name: string;
  readonly isOwner: boolean;
  readonly createdAt: Instant;
}

export interface TokenView {
  readonly id: string;
  readonly user: string;
  readonly label: string;
  readonly scopes: string[];
  readonly createdAt: Instant;
  readonly expiresAt: Instant | null;
  /** Within a minute. */
  readonly lastUsedAt: Instant | null;
}

export interface NewTokenInput {
  readonly user: UserName;
  readonly label: string;
  readonly scopes: readonly string[];
  readonly expiresAt?: Instant;
  /** The token in whose name it is made: it reaches no further and lives no longer. */
  readonly mintedBy?: string | null;
  /** A session: unused for so long, it ends. */
  readonly idleMs?: number;
}

const mostTokens = 1_000;
const projectScope = /^project:[a-z][a-z0-9_-]{0,62}$/;

/** Users and their tokens. */
export class Accounts {
  readonly #resources: Resources;
  readonly #directory: Directory;
  readonly #lastUsed: LastUsed;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: {
    resources: Resources;
    directory: Directory;
    lastUsed: LastUsed;
    clock: Clock;
    random: Random;
  }) {
    this.#resources = options.resources;
    this.#directory = options.directory;
    this.#lastUsed = options.lastUsed;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  async listUsers(): Promise<UserView[]> {
    const { users } = await this.#directory.current();
    return [...users.values()].map(({ name, isOwner, createdAt }) => ({ name, isOwner, createdAt }));
  }

  /** @throws already_exists, bad_request on a short password */
  async createUser(input: { name: UserName; password?: string }, by: string): Promise<UserView> {
    const passwordHash = input.password === undefined ? null : await hashPassword(input.password);
    const { users } = await this.#directory.current();
    if (users.has(input.name)) throw new MillraceError("already_exists", `The user ${input.name} exists already.`);
    const { resource } = await this.#resources.apply(
      { kind: userKind.kind, name: input.name, spec: { isOwner: false, passwordHash } },
      { by, expectedGeneration: 0 },
    );
    return { name: resource.name, isOwner: false, createdAt: resource.createdAt };
  }

  /** Their tokens, roles and grants go with them, at once. @throws not_found, conflict for an owner */
  async deleteUser(name: UserName, by: string): Promise<void> {
    const { users } = await this.#directory.current();
    if (users.get(name)?.isOwner === true) {
      throw new MillraceError("conflict", `The user ${name} owns the organization.`);
    }
    await this.#resources.delete({ kind: userKind.kind, project: null, name }, { by });
  }

  /** @throws not_found, bad_request */
  /** Ends the user's sessions in browsers, but for the one that asks: who knew the old password has them no more. */
  async setPassword(name: UserName, password: string, by: string, asking: string | null): Promise<void> {
    const passwordHash = await hashPassword(password);
    const { tokens } = await this.#directory.current();
    const others = [...tokens.values()].filter(
      ({ id, user, idleMs }) => user === name && idleMs !== undefined && id !== asking,
    );
    await this.#resources.change(async (changes) => {
      const user = await changes.get(userKind, null, name);
      if (user === null) throw noUser(name);
      await changes.apply({ kind: userKind.kind, name, spec: { ...user.spec, passwordHash } }, { by });
      for (const { id } of others) {
        if ((await changes.get(tokenKind, null, id)) === null) continue; // has ended by itself
        await changes.delete({ kind: tokenKind.kind, project: null, name: id }, { by });
      }
    });
  }

  async listTokens(user: UserName): Promise<TokenView[]> {
    const { tokens } = await this.#directory.current();
    return [...tokens.values()].filter((token) => token.user === user).map((token) => this.#view(token));
  }

  /**
   * The token's text is told here and never again.
   * @throws not_found (user), bad_request (scope), forbidden (beyond the token in whose name it is made), conflict (too many)
   */
  async createToken(input: NewTokenInput, by: string): Promise<TokenView & { token: string }> {
    const { users, tokens } = await this.#directory.current();
    if (!users.has(input.user)) throw noUser(input.user);
    checkScopes(input.scopes);
    if (input.mintedBy !== undefined && input.mintedBy !== null) this.#checkMinted(input, tokens.get(input.mintedBy));
    if ([...tokens.values()].filter((token) => token.user === input.user).length >= mostTokens) {
      throw new MillraceError("conflict", `The user ${input.user} has ${mostTokens} tokens, which is the most.`, {
        hint: "Revoke those that are not needed.",
      });
    }
    return await this.#resources.change((changes) => this.mint(changes, input, by));
  }

  /** Makes a token as part of a greater change. */
  async mint(changes: Changes, input: NewTokenInput, by: string): Promise<TokenView & { token: string }> {
    const { id, text, hash } = newToken(this.#random);
    const expiresAtMs = input.expiresAt ?? null;
    const { user, label, idleMs } = input;
    const life = idleMs === undefined ? { expiresAtMs } : { expiresAtMs, idleMs };
    const spec = { user, label, hash, scopes: [...input.scopes], ...life };
    const { resource } = await changes.apply({ kind: tokenKind.kind, name: id, spec }, { by, expectedGeneration: 0 });
    return { ...this.#view({ id, ...spec, createdAt: resource.createdAt, lastUsedAt: null }), token: text };
  }

  /** Takes effect at once. @throws not_found */
  async revokeToken(id: string, by: string): Promise<void> {
    await this.#resources.delete({ kind: tokenKind.kind, project: null, name: id }, { by });
  }

  async tokenOwner(id: string): Promise<UserName | null> {
    const token = (await this.#directory.current()).tokens.get(id);
    return token === undefined ? null : userName(token.user);
  }

  #checkMinted(input: NewTokenInput, minter: TokenEntry | undefined): void {
    const now = this.#clock.now();
    const lives = minter !== undefined && (minter.expiresAtMs === null || minter.expiresAtMs > now);
    const outlives = minter?.expiresAtMs != null && (input.expiresAt ?? Number.POSITIVE_INFINITY) > minter.expiresAtMs;
    if (lives && !outlives && narrows(minter.scopes, input.scopes)) return;
    throw new MillraceError("forbidden", "A token makes only tokens that reach no further and live no longer.", {
      hint: "Use a wider token, or your password.",
    });
  }

  #view(token: TokenEntry): TokenView {
    const { id, user, label, createdAt, expiresAtMs } = token;
    return {
      id,
      user,
      label,
      scopes: [...token.scopes],
      createdAt,
      expiresAt: expiresAtMs === null ? null : instant(expiresAtMs),
      lastUsedAt: this.#lastUsed.of(id) ?? token.lastUsedAt,
    };
  }
}

function checkScopes(wanted: readonly string[]): void {
  const named = (scope: string) => scopes.some((known) => known === scope);
  const unknown = wanted.find((scope) => !named(scope) && !projectScope.test(scope));
  if (unknown === undefined && wanted.some(named)) return;
  const what = unknown === undefined ? "The token could do nothing." : `"${unknown.slice(0, 100)}" is not a scope.`;
  throw new MillraceError("bad_request", what, {
    hint: `Say ${scopes.join(", ")}, and project:NAME to limit them.`,
  });
}

function noUser(name: string): MillraceError {
  return new MillraceError("not_found", `There is no user ${name}.`);
}
