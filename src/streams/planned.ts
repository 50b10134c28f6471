import { createHash } from "node:crypto";
import { type Instant, instant } from "../base/index.ts";
import type { DatasetRef, Head } from "../datasets/index.ts";
import type { ResultColumn } from "../engines/index.ts";
import { isChangelog } from "../slices/index.ts";
import type { Decision } from "./decision.ts";
import { byName, noRows, type SeenInput } from "./open-inputs.ts";
import { NoPartial } from "./partial.ts";
import type { Plan } from "./plan.ts";
import type { StateSelect, TransformSelect } from "./select.ts";
import { tryStates } from "./state-sql.ts";
import { isMillraceError } from "./states.ts";

/** Another number makes all states that there are others. */
const layout = 1;

/** Where a derivative stood before a run. */
export type RunHead = Pick<Head, "nextOffset" | "schema" | "watermark"> & Partial<Pick<Head, "transformSeq">>;

/**
 * How a run makes its block of new rows: one row of each (append), those that they join to (joined), changes of each (changes), what they may change (scope), or everything
 * anew (all).
 */
export type RunKind = "append" | "joined" | "changes" | "scope" | "all";

/** Whether a run goes on from what was there: it is not the first one of its transform. */
export function goesOn({ inputs }: Pick<Decision, "inputs">): boolean {
  return inputs.some(({ readBlock }) => readBlock !== null);
}

export function kindOf(plan: Plan, seen: readonly SeenInput[], { inputs }: Decision, head: RunHead): RunKind {
  // The first run of a transform that takes another's place: what is there is compared with everything.
  const isFirst = !goesOn({ inputs });
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
  readonly state: PlannedState | NoState;
}

/** Groups are kept as states. */
export interface PlannedState extends StateSelect {
  /** Names all that a state's layout and meaning come of. */
  readonly of: string;
  /** SQL of states of no group. */
  readonly none: string;
}

/** They are not, and why not, as a sentence's end. */
export interface NoState {
  readonly whyNot: string;
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
  const plan = select.plan(
    columnsOf,
    made.map(({ name }) => name),
  );
  const state = await stateOf(select, plan, made, seen, describe, signal);
  const grows = "of" in state && plan.mode === "full refresh with diff";
  return { plan: grows ? { ...plan, mode: "keyed aggregate", why: addedUp } : plan, made, state };
}

const addedUp = "new rows are added to what its groups came to before";

/** What is kept of a SELECT's groups, for EXPLAIN. */
export function stateKept({ plan, state }: Pick<Planned, "plan" | "state">): string {
  if ("of" in state) return "of each group what its rows came to: a run reads new rows alone";
  return plan.scope === null ? "none" : `none, for ${state.whyNot}`;
}

async function stateOf(
  select: TransformSelect,
  plan: Plan,
  made: readonly ResultColumn[],
  seen: readonly Pick<SeenInput, "ref" | "snapshot">[],
  describe: (sql: string) => Promise<readonly ResultColumn[]>,
  signal: AbortSignal,
): Promise<PlannedState | NoState> {
  if (seen.some(bringsChanges)) return { whyNot: "rows of its inputs may be taken back" };
  const relationOf = byName(seen, seen.map(noRows));
  try {
    const state = await select.state(plan, (name) => relationOf(name).columns, made, signal);
    const none = await state.partial({ clock: instant(0), relationOf, windows: { after: null, by: null } }, signal);
    const columns = [...(await describe(none)), ...(await describe(tryStates(state.shape, none)))];
    const of = createHash("sha256")
      .update(JSON.stringify([layout, select.planHash, state.shape, state.final, columns]))
      .digest("hex");
    return { ...state, of, none };
  } catch (error) {
    if (error instanceof NoPartial) return { whyNot: error.message };
    // What DuckDB keeps of some aggregates cannot be taken out of it.
    if (isMillraceError(error, "sql_binding", "sql_unsupported", "sql_runtime"))
      return { whyNot: "DuckDB cannot add up what one of its aggregates came to" };
    throw error;
  }
}
