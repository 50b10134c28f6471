import type { Clock, Telemetry } from "../../base/index.ts";
import type { BindOptions } from "../edge/index.ts";
import type { Access, HeldLookup } from "../http/index.ts";

/** Identity fits it. */
export interface RedisAccess extends Access {
  /** Grows with each change of users, tokens, roles and grants that is known here. */
  readonly version: number;
}

export interface OrderedLookup extends HeldLookup {
  /** Grows with each lookup that this process has begun to hold, and is never used again. */
  readonly ordinal: number;
}

export interface OrderedLookups {
  find(project: string, name: string): OrderedLookup | null;
  /** By their ordinals. */
  list(): readonly OrderedLookup[];
}

export interface RedisLimits {
  readonly maxConnections: number;
  /** Time to say who one is. */
  readonly authenticateMs: number;
  /** A client that takes nothing of its answers for so long is cut off. */
  readonly stallMs: number;
  /** Answers of one connection that may wait for its client before no further request of it is looked at. */
  readonly waitingBytes: number;
  /** Longest answer to one request. */
  readonly replyBytes: number;
}

export interface RedisOptions {
  readonly bind: BindOptions;
  readonly access: RedisAccess;
  readonly lookups: OrderedLookups;
  readonly version: string;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly limits?: Partial<RedisLimits>;
}

export const defaultRedisLimits: RedisLimits = {
  maxConnections: 4_096,
  authenticateMs: 15_000,
  stallMs: 60_000,
  waitingBytes: 1024 * 1024,
  replyBytes: 64 * 1024 * 1024,
};
