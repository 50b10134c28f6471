import type { DatasetId, DatasetPath } from "../base/index.ts";
import type { SliceObject } from "../datasets/index.ts";

/** A statement made ready for a worker, and what it stands on. */
export interface Plan {
  readonly sql: string;
  readonly inputs: readonly {
    readonly id: DatasetId;
    readonly path: DatasetPath;
    /** The version that it reads: the newest when it was made. */
    readonly seq: number;
    /** Rows below this offset had expired then. */
    readonly expiredBefore: number;
    readonly files: readonly SliceObject[];
    readonly skipped: number;
  }[];
}

const keptPlans = 500;
const longestPlan = 200_000;

/** Plans by the statement's text, the latest ones. Whoever takes one asks first whether its inputs still stand. */
export class Plans {
  readonly #plans = new Map<string, Plan>();

  get(sql: string): Plan | undefined {
    return this.#plans.get(sql);
  }

  set(sql: string, plan: Plan): void {
    if (sql.length + plan.sql.length > longestPlan) return;
    this.#plans.delete(sql);
    this.#plans.set(sql, plan);
    if (this.#plans.size <= keptPlans) return;
    const [oldest] = this.#plans.keys();
    if (oldest !== undefined) this.#plans.delete(oldest);
  }
}
