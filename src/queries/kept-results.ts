import { type Clock, type Instant, instant, MillraceError, type QueryId } from "../base/index.ts";
import type { Principal } from "../identity/index.ts";
import type { QueryResult } from "./contract.ts";

/** How much is kept for those who come back for a result. */
export interface KeptLimits {
  readonly keptMs: number;
  readonly bytesPerUser: number;
  readonly bytes: number;
  /** Short results lie in memory: their number is bounded too. */
  readonly resultsPerUser: number;
  readonly results: number;
  /** Queries that a user may have started without waiting and that have not ended. */
  readonly unfinishedPerUser: number;
}

export const keptLimits: KeptLimits = {
  keptMs: 600_000,
  bytesPerUser: 2e9,
  bytes: 8e9,
  resultsPerUser: 50,
  results: 200,
  unfinishedPerUser: 8,
};

interface Kept {
  readonly user: Principal["user"];
  readonly result: QueryResult;
  readonly sizeBytes: number;
  readonly until: Instant;
  readonly forgetTimer: () => void;
  readers: number;
  isDropped: boolean;
}

/**
 * Results that wait to be fetched, for a bounded time and in bounded space. What is over a bound goes oldest first, the
 * user's own before others'. A result that is being read is dropped when its last reader has gone.
 */
export class KeptResults {
  readonly #limits: KeptLimits;
  readonly #clock: Clock;
  readonly #kept = new Map<QueryId, Kept>();

  constructor(limits: KeptLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** Takes the result over. */
  async add(user: Principal["user"], result: QueryResult): Promise<void> {
    const { keptMs } = this.#limits;
    const id = result.queryId;
    this.#kept.set(id, {
      user,
      result,
      sizeBytes: result.body.kind === "inline" ? result.body.bytes.byteLength : result.body.sizeBytes,
      until: instant(this.#clock.now() + keptMs),
      forgetTimer: this.#clock.timer(keptMs, () => void this.drop(id)),
      readers: 0,
      isDropped: false,
    });
    const { bytesPerUser, resultsPerUser, bytes, results } = this.#limits;
    const own = (kept: Kept) => kept.user === user;
    await this.#shrink(own, { bytes: bytesPerUser, results: resultsPerUser });
    await this.#shrink(() => true, { bytes, results });
  }

  until(id: QueryId): Instant | null {
    return this.#kept.get(id)?.until ?? null;
  }

  /** The reader disposes it when it has read. @throws data_expired */
  open(id: QueryId): QueryResult {
    const kept = this.#kept.get(id);
    if (kept === undefined)
      throw new MillraceError("data_expired", "The query's result is no longer kept.", {
        hint: "Run the query again.",
      });
    kept.readers++;
    let isOpen = true;
    return {
      ...kept.result,
      async [Symbol.asyncDispose]() {
        if (!isOpen) return;
        isOpen = false;
        kept.readers--;
        if (kept.isDropped && kept.readers === 0) await kept.result[Symbol.asyncDispose]();
      },
    };
  }

  async drop(id: QueryId): Promise<void> {
    const kept = this.#kept.get(id);
    if (kept === undefined) return;
    this.#kept.delete(id);
    kept.forgetTimer();
    kept.isDropped = true;
    if (kept.readers === 0) await kept.result[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#kept.keys()].map((id) => this.drop(id)));
  }

  async #shrink(belongs: (kept: Kept) => boolean, most: { bytes: number; results: number }): Promise<void> {
    const all = [...this.#kept].filter(([, kept]) => belongs(kept));
    let left = all.length;
    let bytes = all.reduce((sum, [, kept]) => sum + kept.sizeBytes, 0);
    for (const [id, { sizeBytes }] of all) {
      if (bytes <= most.bytes && left <= most.results) return;
      bytes -= sizeBytes;
      left--;
      await this.drop(id);
    }
  }
}
