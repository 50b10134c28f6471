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
 * How a run makes its block of new rows: one row of each (append), changes of each (changes), what they may change (scope), or everything
 * anew (all).
 */
export type RunKind = "append" | "changes" | "scope" | "all";

export function kindOf(plan: Plan, seen: readonly SeenInput[], { inputs }: Decision, head: RunHead): RunKind {
  // The first run of a transform that takes another's place: what is there is compared with everything.
  const isFirst = inputs.every(({ readBlock }) => readBlock === null);
  if (isFirst && head.nextOffset > 0) return "all";
  if (plan.scope === null) return seen.some(bringsChanges) ? "changes" : "append";
  return plan.scope.length === 0 || isFirst ? "all" : "scope";
}

/** Whether an input's rows may be taken back. */
export function bringsChanges({ snapshot }: Pick<SeenInput, "snapshot">): boolean {
  return snapshot.schema !== null && isChangelog(snapshot.schema);
}

/** The plan over inputs as they are, and the columns that it makes of them. */
export async function planned(
  select: TransformSelect,
  seen: readonly Pick<SeenInput, "ref" | "snapshot">[],
  clock: Instant,
  describe: (sql: string) => Promise<readonly ResultColumn[]>,
  signal: AbortSignal,
): Promise<{ readonly plan: Plan; readonly made: readonly ResultColumn[] }> {
  const relationOf = byName(seen, seen.map(noRows));
  const known = (name: DatasetRef["path"]) => relationOf(name).columns;
  const first = select.plan(known, null);
  const sql =
    first.scope === null
      ? await select.rowsSql(clock, relationOf, signal)
      : await select.resultSql(first, { clock, relationOf, restricted: false, closedBy: null }, signal);
  const made = await describe(sql);
  return {
    plan: select.plan(
      known,
      made.map(({ name }) => name),
    ),
    made,
  };
}
