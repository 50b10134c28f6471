import type { DatasetId, Instant, MillraceError } from "../base/index.ts";
import type { DatasetRef } from "../datasets/index.ts";
import type { DeclaredTransform, KeptGroups, TransformState } from "./contract.ts";
import { drivingOf } from "./lookup-join.ts";
import type { Plan } from "./plan.ts";
import type { Awaited, ReadInputs } from "./progress.ts";
import type { TransformSelect } from "./select.ts";

/** What a transform is taken up with. */
interface TakenUp {
  declared: DeclaredTransform;
  readonly ref: DatasetRef;
  readonly select: TransformSelect;
  readonly inputs: readonly DatasetRef[];
  /** As of when it was taken up. */
  plan: Plan;
  /** The newest block of the chain that says the transform, and says this one. */
  transformSeq: number;
  watermark: Instant | null;
  readonly takenUpAt: Instant;
}

/** A transform that this process keeps right. */
export interface Kept extends TakenUp {
  /** The inputs whose commits give it turns. */
  readonly driving: ReadonlySet<DatasetId>;
  rowsLate: number;
  /** The block up to which this process knows that late rows are kept; null: it has not looked. */
  lateSeq: number | null;
  failures: number;
  error: MillraceError | null;
  nextTryAt: Instant | null;
  /** How far its chain has read its inputs, up to one of its blocks; null where that is still to be looked up. */
  read: { readonly seq: number; readonly inputs: ReadInputs } | null;
  /** What new rows waited for when it last looked. */
  awaited: Awaited | null;
  /** Ends the wait before the next try. */
  wake: AbortController | null;
  isRunning: boolean;
  /** Forgets the turn that the clock will give it; null where it will give none. */
  unset: (() => void) | null;
}

export function keptFrom(of: TakenUp): Kept {
  const asInputs = of.inputs.map((ref) => ({ ref }));
  const driving = new Set(drivingOf(asInputs, of.select).map(({ ref }) => ref.id));
  const failing = { failures: 0, error: null, nextTryAt: null, wake: null };
  return {
    ...of,
    driving,
    ...failing,
    read: null,
    rowsLate: 0,
    lateSeq: null,
    awaited: null,
    isRunning: false,
    unset: null,
  };
}

/** Whether a commit of a dataset that it reads gives it a turn: what is looked up alone makes no rows, unless some wait for it. */
export function isConcerned({ driving, awaited, isRunning }: Kept, input: DatasetId): boolean {
  // While it runs, what it waits for may be about to change.
  return driving.has(input) || awaited !== null || isRunning;
}

/** How it stands. */
export function stateOf(kept: Kept, isInLine: boolean, groups: KeptGroups): TransformState {
  const { ref, select, plan, failures, error, nextTryAt, awaited, watermark, rowsLate } = kept;
  const { mode, why } = plan;
  const { sql, key, inputs, emit } = select;
  return {
    path: ref.path,
    mode,
    why,
    sql,
    key,
    inputs,
    state: nameOfState(kept, isInLine),
    failures,
    error: error === null ? null : { code: error.code, message: error.message },
    nextTryAt,
    awaited,
    emit,
    watermark,
    rowsLate,
    groups,
  };
}

function nameOfState({ declared, isRunning, error, awaited }: Kept, isInLine: boolean): TransformState["state"] {
  if (isRunning) return "running";
  if (declared.paused) return "paused";
  if (error !== null) return "failing";
  return isInLine || awaited !== null ? "waiting" : "idle";
}
