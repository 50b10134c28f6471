import {
  asMillraceError,
  type DatasetId,
  formatDatasetPath,
  type Instant,
  MillraceError,
  type TraceId,
} from "../base/index.ts";
import type { Head } from "../datasets/index.ts";
import { newestTransform } from "./chain-transform.ts";
import type { TransformRunRecord, TransformsOptions } from "./contract.ts";
import type { Decision, Decisions } from "./decision.ts";
import type { Kept } from "./kept.ts";
import { type LateRows, noneLate } from "./late.ts";
import type { LateLog } from "./late-log.ts";
import type { RunTarget } from "./prepare.ts";
import { type NextStep, nextStep, readBy, readSoFar } from "./progress.ts";
import { decidedBy } from "./rebuild.ts";
import type { Runner, RunOutcome } from "./run.ts";
import type { States } from "./states.ts";

const defaultMaxRows = 5_000_000;

/** What a round came to. */
export interface Round {
  /** Whether there may be more to do at once. */
  readonly isMore: boolean;
  /** When there will be a run though nothing comes; null: never. */
  readonly dueAt: Instant | null;
}

interface RoundRun {
  readonly kept: Kept;
  readonly target: RunTarget;
  readonly decision: Decision;
  readonly startedAt: Instant;
}

/** What rounds are done with. */
interface RoundParts {
  readonly decisions: Decisions;
  readonly runner: Runner;
  readonly states: States;
  readonly late: LateLog;
}

type RoundsOptions = Pick<
  TransformsOptions,
  "datasets" | "leases" | "clock" | "ids" | "flush" | "record" | "telemetry"
>;

/** What a turn does: it decides the next run of a transform, does it, commits it, and tells of it. */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #parts: RoundParts;

  constructor(options: RoundsOptions, parts: RoundParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** One run, where there is something to do. */
  async once(kept: Kept, signal: AbortSignal): Promise<Round> {
    const { datasets, clock, ids, leases } = this.#options;
    const { ref, select, inputs } = kept;
    const head = await datasets.head(ref.id, signal);
    if (head.transformSeq !== kept.transformSeq) await this.#followChain(kept, head, signal);
    await this.#keepLate(kept, head.seq, signal);
    const { decision: wanted, dueAt } = await this.#next(kept, head, signal);
    if (wanted === null) return { isMore: false, dueAt };
    using lease = await leases.take(ref.id);
    if (lease === null) return { isMore: true, dueAt };
    // One that is there already, of a process that died or races, holds in its place.
    const decision = await this.#parts.decisions.decide(ref.id, wanted);
    const startedAt = clock.now();
    const traceId = ids.uuid() as TraceId;
    const target = { ref, select, inputs, traceId };
    const done = await this.#run({ kept, target, decision, startedAt }, head, signal);
    if (done.outcome === "lost") return { isMore: true, dueAt };
    const run = { target, plan: kept.plan, decision, before: head.watermark, seq: done.seq };
    if (done.late.count > 0) await this.#parts.late.keep(run, signal);
    kept.lateSeq = done.seq;
    await this.#parts.decisions.forget(ref.id, done.seq);
    await this.#parts.states.checkpoint(ref.id);
    return { isMore: !kept.declared.paused, dueAt };
  }

  async #run(about: RoundRun, head: Head, signal: AbortSignal): Promise<RunOutcome> {
    const { kept, target, decision } = about;
    try {
      const done = await this.#parts.runner.run(target, head, decision, signal);
      if (done.outcome === "lost") return done;
      kept.read = { seq: done.seq, inputs: readBy(decision) };
      kept.watermark = done.watermark;
      kept.rowsLate += done.late.count;
      this.#record(about, { ...done, error: null });
      return done;
    } catch (error) {
      if (!signal.aborted) this.#record(about, { seq: null, rows: 0, late: noneLate, error: asMillraceError(error) });
      throw error;
    }
  }

  /** The late rows of the last run, where another process may have died behind its commit: the next run is decided behind them. */
  async #keepLate(kept: Kept, headSeq: number, signal: AbortSignal): Promise<void> {
    const { datasets, ids, telemetry } = this.#options;
    const { ref, select, inputs, plan } = kept;
    if (kept.lateSeq === headSeq || !this.#parts.late.isFor(plan, select)) return;
    const range = { from: 0, to: headSeq, newestFirst: true };
    for await (const { seq, block } of datasets.blocks(ref.id, range, signal)) {
      if (block.event.kind === "SetTransform") break;
      if (block.event.kind !== "ExecuteTransform") continue;
      const [decided, { watermark }] = await Promise.all([
        decidedBy(datasets, block.event, signal),
        datasets.snapshot(ref.id, { kind: "version", seq: seq - 1 }, signal),
      ]);
      const decision = { behindSeq: seq - 1, planHash: select.planHash, clock: block.systemTime, inputs: decided };
      const target = { ref, select, inputs, traceId: ids.uuid() as TraceId };
      await this.#parts.late
        .keep({ target, plan, decision, before: watermark, seq }, signal)
        .catch((error: unknown) => {
          if (!(error instanceof MillraceError) || error.code !== "data_expired") throw error;
          telemetry.log.warn("late rows of a run have expired before they were kept", {
            dataset: formatDatasetPath(ref.path),
            seq,
          });
        });
      break;
    }
    kept.lateSeq = headSeq;
  }

  /** Another server has written a transform: it may be this one again, or one that this server is still to be told of. */
  async #followChain(kept: Kept, head: Head, signal: AbortSignal): Promise<void> {
    const newest = await newestTransform(this.#options.datasets, kept.ref.id, head, signal);
    if (!kept.select.isOf(newest.said))
      throw new MillraceError("conflict", `The transform of ${formatDatasetPath(kept.ref.path)} was declared anew.`, {
        hint: "It goes on as soon as this server has taken up the declaration.",
      });
    kept.transformSeq = newest.seq;
  }

  /** What is to be done; no decision where nothing is. */
  async #next(kept: Kept, head: Head, signal: AbortSignal): Promise<Pick<NextStep, "decision" | "dueAt">> {
    const { datasets, clock, flush } = this.#options;
    const { ref, select, inputs, declared } = kept;
    if (kept.read?.seq !== head.seq)
      kept.read = { seq: head.seq, inputs: await readSoFar(datasets, ref.id, head.seq, signal) };
    const read = kept.read.inputs;
    const { maxRows = defaultMaxRows } = declared;
    const { plan, takenUpAt } = kept;
    const next = { head, inputs, read, select, maxRows, now: clock.now(), window: plan.window, takenUpAt };
    const step = await nextStep(datasets, next, signal);
    // Rows that wait to be committed have been brought: windows that the clock would close alone wait for them.
    const closesAlone =
      step.decision?.inputs.every(({ fromOffset, belowOffset }) => fromOffset === belowOffset) === true;
    if (closesAlone) await Promise.all(inputs.map(({ id }) => flush(id, signal)));
    const { decision, awaited, dueAt } = closesAlone ? await nextStep(datasets, next, signal) : step;
    kept.awaited = awaited;
    return { decision, dueAt };
  }

  #record(
    { kept, target, decision, startedAt }: RoundRun,
    { seq, rows, late, error }: { seq: number | null; rows: number; late: LateRows; error: MillraceError | null },
  ): void {
    const { clock, record } = this.#options;
    const nameOf = (id: DatasetId) => {
      const found = kept.inputs.find((input) => input.id === id);
      return found === undefined ? id : formatDatasetPath(found.path);
    };
    const inputs: TransformRunRecord["inputs"] = decision.inputs.map(({ datasetId, fromOffset, belowOffset }) => ({
      dataset: nameOf(datasetId),
      fromOffset,
      belowOffset,
    }));
    record({
      dataset: formatDatasetPath(kept.ref.path),
      mode: kept.plan.mode,
      state: error === null ? "done" : "failed",
      startedAt,
      elapsedMs: clock.now() - startedAt,
      rowsRead: decision.inputs
        .filter(({ datasetId }) => kept.driving.has(datasetId))
        .reduce((sum, { fromOffset, belowOffset }) => sum + belowOffset - fromOffset, 0),
      rowsWritten: rows,
      rowsLate: late.count,
      late: late.rows,
      seq,
      inputs,
      errorCode: error?.code ?? null,
      errorMessage: error?.message ?? null,
      traceId: target.traceId,
    });
  }
}
