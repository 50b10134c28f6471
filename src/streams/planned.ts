import type { Instant } from "../base/index.ts";
import type { DatasetRef, Head } from "../datasets/index.ts";
import type { ResultColumn } from "../engines/index.ts";
import { isChangelog } from "../slices/index.ts";
import type { Decision } from "./decision.ts";
import { byName, noRows, type SeenInput } from "./open-inputs.ts";
import type { Plan } from "./plan.ts";
import type { TransformSelect } from "./select.ts";

/** Where a derivative stood before a run. */
export type RunHead = Pick<Head, "nextOffset" | "schema" | "watermark">;

/**
 * How a run makes its block of new rows: one row of each (append), those that they join to (joined), changes of each (changes), what they may change (scope), or everything
 * anew (all).
 */
export type RunKind = "append" | "joined" | "changes" | "scope" | "all";

export function kindOf(plan: Plan, seen: readonly SeenInput[], { inputs }: Decision, head: RunHead): RunKind {
  // The first run of a transform that takes another's place: what is there is compared with everything.
  const isFirst = inputs.every(({ readBlock }) => readBlock === null);
  if (isFirst && head.nextOffset > 0) return "all";
  if (plan.joins > 1) return seen.some(bringsChanges) ? "all" : "joined";
  if (plan.scope === null) return seen.some(bringsChanges) ? "changes" : "append";
  return plan.scope.length === 0 || isFirst ? "all" : "scope";
}

/** Whether an input's rows may be taken back. */
export function bringsChanges({ snapshot }: Pick<SeenInput, "snapshot">): boolean {
  return snapshot.schema !== null && isChangelog(snapshot.schema);
}

/** How a SELECT is kept right over inputs as they are, and the columns that it makes of them. */
export interface Planned {
  readonly plan: Plan;
  readonly made: readonly ResultColumn[];
}

/** The plans of SELECTs over the columns that their inputs had last: asking DuckDB for them takes a tenth of a small run. */
const known = new WeakMap<TransformSelect, { readonly columns: string } & Planned>();

/** @param describe asks DuckDB for the columns of a statement */
export async function planned(
  select: TransformSelect,
  seen: readonly Pick<SeenInput, "ref" | "snapshot">[],
  clock: Instant,
  describe: (sql: string) => Promise<readonly ResultColumn[]>,
  signal: AbortSignal,
): Promise<Planned> {
  const columns = JSON.stringify(seen.map(({ ref, snapshot }) => [ref.id, snapshot.schema]));
  const before = known.get(select);
  if (before?.columns === columns) return before;
  const now = await plannedAnew(select, seen, clock, describe, signal);
  known.set(select, { columns, ...now });
  return now;
}

async function plannedAnew(
  select: TransformSelect,
  seen: readonly Pick<SeenInput, "ref" | "snapshot">[],
  clock: Instant,
  describe: (sql: string) => Promise<readonly ResultColumn[]>,
  signal: AbortSignal,
): Promise<Planned> {
  const relationOf = byName(seen, seen.map(noRows));
  const columnsOf = (name: DatasetRef["path"]) => relationOf(name).columns;
  const first = select.plan(columnsOf, null);
  const sql =
    first.scope === null && first.joins === 1
      ? await select.rowsSql(clock, relationOf, signal)
      : await select.resultSql(first, { clock, relationOf, restricted: false, closedBy: null }, signal);
  const made = await describe(sql);
  const names = made.map(({ name }) => name);
  return { plan: select.plan(columnsOf, names), made };
}
