import { type Clock, instant, type UserName } from "../base/index.ts";
import type { Resources } from "../resources/index.ts";
import type { Accounts, TokenView } from "./accounts.ts";
import type { Directory, TokenEntry } from "./directory.ts";
import { tokenKind } from "./kinds.ts";
import type { LastUsed } from "./last-used.ts";

const hourMs = 3_600_000;
const idleMs = 12 * hourMs;
const longestMs = 30 * 24 * hourMs;
/** Of one user; a further one ends the one that has been idle longest. */
const mostSessions = 50;

/**
 * Sessions of browsers. A session is a token like others, listed and revoked with them, that also ends when it is not used:
 *
 *     open ──used──▶ open ──12 hours unused, 30 days, the end of the token it came from, sign-out──▶ ended ──▶ gone
 */
export class Sessions {
  readonly #resources: Resources;
  readonly #directory: Directory;
  readonly #accounts: Accounts;
  readonly #lastUsed: LastUsed;
  readonly #clock: Clock;

  constructor(options: {
    resources: Resources;
    directory: Directory;
    accounts: Accounts;
    lastUsed: LastUsed;
    clock: Clock;
  }) {
    this.#resources = options.resources;
    this.#directory = options.directory;
    this.#accounts = options.accounts;
    this.#lastUsed = options.lastUsed;
    this.#clock = options.clock;
  }

  /**
   * A session that reaches as far as what it is opened with, and lives no longer. @param tokenId null: a password
   * @throws forbidden, conflict
   */
  async open(user: UserName, tokenId: string | null): Promise<TokenView & { token: string }> {
    const { tokens } = await this.#directory.current();
    await this.#makeRoom([...tokens.values()].filter((token) => token.user === user && token.idleMs !== undefined));
    const minter = tokenId === null ? undefined : tokens.get(tokenId);
    const lastMs = Math.min(this.#clock.now() + longestMs, minter?.expiresAtMs ?? Number.POSITIVE_INFINITY);
    const scopes = tokenId === null ? ["admin"] : (minter?.scopes ?? []);
    const wanted = { user, label: "console", scopes, expiresAt: instant(lastMs), mintedBy: tokenId, idleMs };
    return await this.#accounts.createToken(wanted, user);
  }

  /** Ends a session; a token that is none stays. */
  async close(tokenId: string, by: UserName): Promise<void> {
    const token = (await this.#directory.current()).tokens.get(tokenId);
    if (token?.idleMs !== undefined) await this.#end(token, by);
  }

  /** As far as this server knows. */
  hasEnded(token: TokenEntry): boolean {
    const nowMs = this.#clock.now();
    if (token.expiresAtMs !== null && token.expiresAtMs <= nowMs) return true;
    if (token.idleMs === undefined) return false;
    return nowMs - this.#usedAtMs(token) >= token.idleMs;
  }

  #usedAtMs({ id, lastUsedAt, createdAt }: TokenEntry): number {
    return Math.max(this.#lastUsed.of(id) ?? 0, lastUsedAt ?? 0, createdAt);
  }

  async #makeRoom(sessions: readonly TokenEntry[]): Promise<void> {
    const newestFirst = sessions.toSorted((a, b) => this.#usedAtMs(b) - this.#usedAtMs(a));
    for (const [index, session] of newestFirst.entries()) {
      if (index >= mostSessions - 1 || this.hasEnded(session)) await this.#end(session, session.user);
    }
  }

  async #end({ id }: TokenEntry, by: string): Promise<void> {
    await this.#resources.delete({ kind: tokenKind.kind, project: null, name: id }, { by }).catch((error: unknown) => {
      if (this.#directory.tokens.has(id)) throw error; // else another request was quicker
    });
  }
}
