import type { Clock, DatasetPath, Instant } from "../base/index.ts";
import type { Resource, Resources } from "../resources/index.ts";
import { grantKind, memberKind, type Privilege, type Role, tokenKind, userKind } from "./kinds.ts";
import type { Declared } from "./policy.ts";

export interface UserEntry {
  readonly name: string;
  readonly isOwner: boolean;
  readonly passwordHash: string | null;
  readonly createdAt: Instant;
}

export interface TokenEntry {
  readonly id: string;
  readonly user: string;
  readonly label: string;
  readonly hash: string;
  readonly scopes: readonly string[];
  readonly createdAt: Instant;
  readonly expiresAtMs: number | null;
}

interface Loaded extends Declared {
  readonly users: ReadonlyMap<string, UserEntry>;
  readonly tokens: ReadonlyMap<string, TokenEntry>;
  readonly atMs: number;
}

/** Another server's change is seen after this at the latest; changes of this process at once. */
const ageMs = 2_000;

/**
 * Users, tokens, roles and grants in memory, so that no request waits for SQL. Loaded whole: people and their tokens are
 * few where datasets are many.
 */
export class Directory {
  readonly #resources: Resources;
  readonly #clock: Clock;
  #loaded: Loaded | null = null;
  #loading: Promise<Loaded> | null = null;
  #version = 0;

  constructor(resources: Resources, clock: Clock) {
    this.#resources = resources;
    this.#clock = clock;
  }

  /** Forgets what it knows: the next look reads anew. */
  invalidate(): void {
    this.#version++;
    this.#loaded = null;
    this.#loading = null;
  }

  /** Grows with each change that this process has seen: caches of decisions are keyed by it. */
  get version(): number {
    return this.#version;
  }

  async current(): Promise<Loaded> {
    const known = this.#loaded;
    if (known !== null && this.#clock.monotonicMs() - known.atMs < ageMs) return known;
    this.#loading ??= this.#load();
    return await this.#loading;
  }

  async #load(): Promise<Loaded> {
    const version = this.#version;
    try {
      const [users, tokens, members, grants] = await Promise.all([
        this.#resources.list(userKind),
        this.#resources.list(tokenKind),
        this.#resources.list(memberKind),
        this.#resources.list(grantKind),
      ]);
      const roles = new Map(
        members.map((member): [string, Role] => [`${member.project}/${member.name}`, member.spec.role]),
      );
      const privileges = new Map(
        grants.map((grant): [string, readonly Privilege[]] => [grantName(grant), grant.spec.privileges]),
      );
      const loaded: Loaded = {
        users: new Map(users.map((user) => [user.name, { name: user.name, ...user.spec, createdAt: user.createdAt }])),
        tokens: new Map(
          tokens.map((token) => [token.name, { id: token.name, ...token.spec, createdAt: token.createdAt }]),
        ),
        role: (project, user) => roles.get(`${project}/${user}`) ?? null,
        privileges: (dataset: DatasetPath, user) =>
          privileges.get(`${dataset.project}/${dataset.dataset}/${user}`) ?? [],
        atMs: this.#clock.monotonicMs(),
      };
      if (version === this.#version) this.#loaded = loaded;
      return loaded;
    } finally {
      if (version === this.#version) this.#loading = null;
    }
  }
}

function grantName({ project, spec }: Resource<{ dataset: string; user: string }>): string {
  return `${project}/${spec.dataset}/${spec.user}`;
}
