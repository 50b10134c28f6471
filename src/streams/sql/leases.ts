import type { DatasetId } from "../../base/index.ts";
import type { Statements } from "../../storage/index.ts";

export interface LeaseClaim {
  readonly id: DatasetId;
  readonly holder: string;
  readonly seconds: number;
  /** Also where another has it. */
  readonly isSeized: boolean;
}

/**
 * Takes a lease that nobody else has; else tells how long that one lasts. No row where another has just taken it. One that ends later than
 * any can was given before the database's clock went back.
 */
export const claimLease = (sql: Statements, { id, holder, seconds, isSeized }: LeaseClaim) => sql<
  { is_mine: boolean; left_ms: number }[]
>`
  WITH claimed AS (
    INSERT INTO transform_leases AS held (dataset_id, holder, held_until)
    VALUES (${id}, ${holder}, now() + make_interval(secs => ${seconds}))
    ON CONFLICT (dataset_id) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
    WHERE held.holder = excluded.holder OR held.held_until < now()
      OR held.held_until > now() + make_interval(secs => 2 * ${seconds}) OR ${isSeized}
    RETURNING dataset_id
  )
  SELECT true AS is_mine, 0::float8 AS left_ms FROM claimed
  UNION ALL
  SELECT false, 1000 * extract(epoch FROM held_until - now())::float8 FROM transform_leases
  WHERE dataset_id = ${id} AND NOT EXISTS (SELECT FROM claimed)`;

/** The leases that are still the holder's go on. */
export const renewLeases = (sql: Statements, holder: string, ids: readonly DatasetId[], seconds: number) => sql<
  { dataset_id: string }[]
>`
  UPDATE transform_leases SET held_until = now() + make_interval(secs => ${seconds})
  WHERE dataset_id = ANY(${[...ids]}) AND holder = ${holder} RETURNING dataset_id`;

export const endLeases = (sql: Statements, holder: string) => sql`
  DELETE FROM transform_leases WHERE holder = ${holder}`;

export const forgetLease = (sql: Statements, id: DatasetId) => sql`
  DELETE FROM transform_leases WHERE dataset_id = ${id}`;
