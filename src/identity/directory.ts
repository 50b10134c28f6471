import { type Clock, type DatasetPath, type Instant, instant, type Logger, MillraceError } from "../base/index.ts";
import type { Resource, ResourceName, Resources } from "../resources/index.ts";
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
  /** Of a session: unused for so long, it has ended. */
  readonly idleMs?: number;
  /** As it was when the entry was read. */
  readonly lastUsedAt: Instant | null;
}

/** Users, tokens, roles and grants as they stand. */
export interface Known extends Declared {
  readonly users: ReadonlyMap<string, UserEntry>;
  readonly tokens: ReadonlyMap<string, TokenEntry>;
}

/** The net under the notifications: after this, what has changed is asked for. */
const freshMs = 2_000;
/** While the database is away, what is known serves this long. */
const usableMs = 60_000;
/** How long a request waits for the database before it is served with what is known. */
const patienceMs = 500;
const mostFetched = 500;
const kinds: ReadonlySet<string> = new Set([userKind, tokenKind, memberKind, grantKind].map(({ kind }) => kind));

/**
 * Users, tokens, roles and grants in memory, so that no request waits for SQL.
 *
 *     empty ──load──▶ fresh ──a change is heard──▶ stale ──read what changed──▶ fresh
 *                       └──two seconds pass──────────┘
 *
 * - A change of this process is seen by whatever is asked after it has resolved.
 * - Entries are read anew from their rows, not from events: however often and in whatever order, they end at the truth.
 */
export class Directory implements Known {
  readonly users = new Map<string, UserEntry>();
  readonly tokens = new Map<string, TokenEntry>();
  readonly #roles = new Map<string, Role>();
  readonly #privileges = new Map<string, { key: string; held: readonly Privilege[] }>();
  readonly #held = new Map<string, readonly Privilege[]>();
  readonly #resources: Resources;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Changes heard of, and how many of them had been when the newest reading began. */
  #heard = 1;
  #seen = 0;
  #position: number | null = null;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;
  #version = 0;

  constructor(options: { resources: Resources; clock: Clock; log: Logger }) {
    this.#resources = options.resources;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#resources.watch((changed) => {
      if (changed.some((ref) => kinds.has(ref.kind))) this.invalidate();
    });
  }

  /** Something may have changed: the next look reads what. */
  invalidate(): void {
    this.#heard++;
    this.#version++;
  }

  /** Grows with each change that this process has seen: caches of decisions are keyed by it. */
  get version(): number {
    return this.#version;
  }

  role(project: string, user: string): Role | null {
    return this.#roles.get(`${project}/${user}`) ?? null;
  }

  privileges(dataset: DatasetPath, user: string): readonly Privilege[] {
    return this.#held.get(`${dataset.project}/${dataset.dataset}/${user}`) ?? [];
  }

  /** As it stands: at most two seconds behind other servers, not at all behind this one. @throws unavailable */
  async current(): Promise<Known> {
    const heard = this.#heard;
    if (this.#seen >= heard && this.#age() < freshMs) return this;
    const usable = () => this.#seen >= heard && this.#age() < usableMs;
    if (usable() && this.#clock.monotonicMs() - this.#triedAtMs < freshMs) return this;
    do {
      this.#reading ??= this.#read().finally(() => {
        this.#reading = null;
      });
      try {
        if (usable()) await this.#patiently(this.#reading);
        else await this.#reading;
      } catch (cause) {
        if (!usable()) {
          if (cause instanceof MillraceError) throw cause;
          throw new MillraceError("unavailable", "Users and their rights cannot be read now.", { cause });
        }
        this.#triedAtMs = this.#clock.monotonicMs();
        this.#log.warn("users and rights cannot be read; what is known serves for now", { error: cause });
      }
    } while (!usable());
    return this;
  }

  /** Reads a token anew: other servers note its uses without telling. @throws unavailable */
  async refreshToken(id: string): Promise<TokenEntry | null> {
    (await this.#entryOf({ kind: tokenKind.kind, project: null, name: id }))();
    return this.tokens.get(id) ?? null;
  }

  #age(): number {
    return this.#clock.monotonicMs() - this.#readAtMs;
  }

  async #patiently(reading: Promise<void>): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const forget = this.#clock.timer(patienceMs, () => reject(new Error("the database is slow to answer")));
    reading.catch(() => {}); // it may end when nobody waits any more
    await Promise.race([reading, late]).finally(forget);
  }

  async #read(): Promise<void> {
    const heard = this.#heard;
    const startedMs = this.#clock.monotonicMs();
    if (this.#position === null) await this.#load();
    else await this.#catchUp(this.#position);
    this.#seen = heard;
    this.#readAtMs = startedMs;
  }

  async #catchUp(after: number): Promise<void> {
    const { position, changed } = await this.#resources.changesAfter(after);
    const relevant = new Map(
      changed.filter((ref) => kinds.has(ref.kind)).map((ref) => [`${ref.kind}/${ref.project}/${ref.name}`, ref]),
    );
    if (relevant.size > mostFetched) return await this.#load();
    const entries = await Promise.all([...relevant.values()].map((ref) => this.#entryOf(ref)));
    for (const put of entries) put();
    if (relevant.size > 0) this.#version++;
    this.#position = position;
  }

  /** Everything anew. The position is asked for first: what changes while we read is read once more. */
  async #load(): Promise<void> {
    const position = await this.#resources.position();
    const [users, tokens, members, grants] = await Promise.all([
      this.#resources.list(userKind),
      this.#resources.list(tokenKind),
      this.#resources.list(memberKind),
      this.#resources.list(grantKind),
    ]);
    for (const map of [this.users, this.tokens, this.#roles, this.#privileges, this.#held]) map.clear();
    for (const user of users) this.#putUser(user.name, user);
    for (const token of tokens) this.#putToken(token.name, token);
    for (const member of members) this.#putMember(`${member.project}/${member.name}`, member);
    for (const grant of grants) this.#putGrant(`${grant.project}/${grant.name}`, grant);
    this.#version++;
    this.#position = position;
  }

  /** Reads the row now, and hands back what puts it in: a failed reading changes nothing. */
  async #entryOf({ kind, project, name }: ResourceName): Promise<() => void> {
    switch (kind) {
      case userKind.kind: {
        const user = await this.#resources.get(userKind, null, name);
        return () => this.#putUser(name, user);
      }
      case tokenKind.kind: {
        const token = await this.#resources.get(tokenKind, null, name);
        return () => this.#putToken(name, token);
      }
      case memberKind.kind: {
        const member = await this.#resources.get(memberKind, project, name);
        return () => this.#putMember(`${project}/${name}`, member);
      }
      default: {
        const grant = await this.#resources.get(grantKind, project, name);
        return () => this.#putGrant(`${project}/${name}`, grant);
      }
    }
  }

  #putUser(name: string, user: Resource<{ isOwner: boolean; passwordHash: string | null }> | null): void {
    if (user === null) this.users.delete(name);
    else this.users.set(name, { name, ...user.spec, createdAt: user.createdAt });
  }

  #putToken(id: string, token: Resource<Omit<TokenEntry, "id" | "createdAt" | "lastUsedAt">> | null): void {
    if (token === null) this.tokens.delete(id);
    else {
      const { status, createdAt, spec } = token;
      const lastUsedAt = typeof status.lastUsedMs === "number" ? instant(status.lastUsedMs) : null;
      this.tokens.set(id, { id, ...spec, createdAt, lastUsedAt });
    }
  }

  #putMember(key: string, member: Resource<{ role: Role }> | null): void {
    if (member === null) this.#roles.delete(key);
    else this.#roles.set(key, member.spec.role);
  }

  #putGrant(
    key: string,
    grant: Resource<{ dataset: string; user: string; privileges: readonly Privilege[] }> | null,
  ): void {
    const before = this.#privileges.get(key);
    if (before !== undefined) this.#held.delete(before.key);
    this.#privileges.delete(key);
    if (grant === null) return;
    const { dataset, user, privileges } = grant.spec;
    const entry = { key: `${grant.project}/${dataset}/${user}`, held: privileges };
    this.#privileges.set(key, entry);
    this.#held.set(entry.key, entry.held);
  }
}
