import { z } from "zod";
import type { DatasetId, Instant } from "../base/index.ts";
import type { ScriptStatement } from "../engines/index.ts";
import { isRetracts } from "../slices/index.ts";
import { type Closing, never } from "./closing.ts";
import { differenceRows, differenceSql } from "./difference.ts";
import { pairsBy } from "./fields.ts";
import type { SeenInput } from "./open-inputs.ts";
import type { Plan } from "./plan.ts";
import type { PlannedState } from "./planned.ts";
import { isTableOf, type OwnRows, type RunColumns, type RunFile, saysTime, wasSql, wasTableOf } from "./run-sql.ts";
import type { RelationOf } from "./select.ts";
import {
  addDelta,
  countGroups,
  countTold,
  createState,
  deltaTable,
  dropPending,
  finalRows,
  forgetClosed,
  leavePending,
  nextTable,
  sayTold,
  settle,
  toldTable,
  withTold,
} from "./state-sql.ts";
import { isMillraceError, type KeptState, type Ledger, type States, sayLedger } from "./states.ts";

const outTable = '"mr:out"';
const counted = z.tuple([z.object({ groups: z.number() })]);
const toldShape = z.tuple([z.object({ wanted: z.number(), there: z.number(), matched: z.number(), same: z.number() })]);

/** Rows of the inputs that runs have read. */
export interface ReadRows {
  readonly relationOf: RelationOf;
  /** Whether some of them are no more there. */
  readonly haveExpired: boolean;
}

/** Runs statements over a state. */
export type StateScript = (
  file: string,
  statements: readonly ScriptStatement[],
) => Promise<readonly (readonly unknown[])[]>;

/** A run over states of groups, as it stands before it. */
export interface StateRun {
  readonly id: DatasetId;
  readonly plan: Plan;
  readonly planned: PlannedState;
  readonly columns: RunColumns;
  readonly closing: Closing;
  /** The key of the SELECT. */
  readonly key: readonly string[];
  readonly behindSeq: number;
  readonly transformSeq: number;
  readonly seen: readonly SeenInput[];
}

/** What a run does to a state, beside writing its slice. */
export interface StateWork {
  readonly path: string;
  /** Before everything, within the same transaction. */
  readonly before: readonly string[];
  readonly tables: readonly string[];
  readonly copy: (file: RunFile) => string;
  readonly after: readonly string[];
  /** Told where it failed: without its state the next try may not. @throws the error, where that is not to blame */
  readonly failed: (error: unknown) => Promise<void>;
  /** Told of the rows of `countGroups`, once the transaction has been committed. */
  readonly left: (rows: unknown) => Promise<void>;
}

/** Brings states to where a run begins, and makes the SQL of the run over them. */
export class StatePreparation {
  readonly #states: States;
  readonly #run: StateRun;
  readonly #script: StateScript;
  readonly #signal: AbortSignal;

  constructor(states: States, run: StateRun, script: StateScript, signal: AbortSignal) {
    this.#states = states;
    this.#run = run;
    this.#script = script;
    this.#signal = signal;
  }

  /**
   * The state as of the block behind which the run comes; null where there can be none.
   * @param between rows of the inputs from these offsets on that runs have read @param own what held of the derivative
   */
  async ready(
    between: (from: ReadonlyMap<DatasetId, number>) => Promise<ReadRows>,
    own: () => Promise<OwnRows | null>,
  ): Promise<KeptState | null> {
    const { id, planned, behindSeq, transformSeq } = this.#run;
    if (this.#states.refused(id, this.#refusal) !== null) return null;
    const known = await this.#states.find(id, { of: planned.of, transformSeq }, this.#signal);
    // One that is ahead of the chain is of blocks that are no more: the store was put back to an earlier state.
    const found = known !== null && known.ledger.seq > behindSeq ? null : known;
    if (found !== null && this.#isThere(found)) return found;
    const from = found?.ledger.read ?? new Map<DatasetId, number>();
    const rows = await between(from);
    const ledger = { of: planned.of, transformSeq, seq: behindSeq, read: this.#readBefore() };
    const path = found?.path ?? (await this.#states.make(id));
    const made = await this.#advance(path, found === null, ledger, rows, await own()).catch(tooLarge);
    if (typeof made === "object") return made;
    await this.#states.drop(id);
    this.#states.refuse(id, this.#refusal, made);
    return null;
  }

  get #refusal(): string {
    return `${this.#run.planned.of} ${this.#run.transformSeq}`;
  }

  #isThere({ ledger, left }: KeptState): boolean {
    const { behindSeq } = this.#run;
    return ledger.seq === behindSeq || (left?.isCommitted === true && left.seq === behindSeq);
  }

  #readBefore(): Map<DatasetId, number> {
    return new Map(this.#run.seen.map(({ decided }) => [decided.datasetId, decided.fromOffset]));
  }

  /** Adds rows to the groups all at once, and finds again what was told of them. */
  async #advance(
    path: string,
    isNew: boolean,
    ledger: Ledger,
    { relationOf, haveExpired }: ReadRows,
    own: OwnRows | null,
  ): Promise<KeptState | string> {
    const { planned, columns, closing, plan } = this.#run;
    const { shape, identified } = planned;
    const windows = { after: closing.lateBy, by: null };
    const partial = await planned.partial({ clock: columns.clock, relationOf, windows }, this.#signal);
    const names = columns.fields.filter((field) => !isRetracts(field)).map(({ name }) => name);
    const statements = [
      "BEGIN",
      ...(isNew ? createState(planned.none, sayLedger(ledger)) : dropPending),
      deltaTable(partial),
      nextTable(shape, null),
      ...addDelta(shape),
      ...forgetClosed(closing.lateBy),
      isTableOf(finalRows(shape, planned.final, "kept", this.#toldBy), columns),
      wasSql(own, columns.fields, ""),
      toldTable(this.#stored(identified), null),
      ...sayTold(sayLedger(ledger)),
    ].map((sql) => ({ sql }));
    const answers = await this.#script(path, [
      ...statements,
      { sql: countTold(names), rows: true },
      { sql: countGroups, rows: true },
      { sql: "COMMIT" },
    ]);
    const [{ wanted, there, matched, same }] = toldShape.parse(answers.at(-3));
    const [{ groups }] = counted.parse(answers.at(-2));
    // Rows of windows that have closed for good are no more among the groups.
    const isWhole = matched === wanted && (matched === there || plan.window !== null);
    if (!isWhole) return "what it has told cannot be found again among its groups";
    // Rows that had expired before the first run are in no group and were told of in none; others would be missing.
    if (haveExpired && same < matched) return "rows of its inputs have expired that no checkpoint of it has read";
    const state = { path, ledger, left: null, groups };
    await this.#states.keep(this.#run.id, state);
    return { ...state, sizeBytes: 0 };
  }

  /** Windows that had been told of before the run: those that ended then or before; null: all. */
  get #toldBy(): Instant | null {
    const { closedBy, closedBefore } = this.#run.closing;
    return closedBy === null ? null : (closedBefore ?? never);
  }

  #stored(made: readonly string[]): string[] {
    const { fields } = this.#run.columns;
    return made.map((name) => fields.find((field) => field.name.toLowerCase() === name.toLowerCase())?.name ?? name);
  }

  /** The run over new rows. */
  async run(state: KeptState, fresh: RelationOf): Promise<StateWork> {
    const { planned, columns, closing, behindSeq, plan, key, id } = this.#run;
    const { shape, final } = planned;
    const { closedBy, closedBefore, lateBy } = closing;
    const windows = { after: lateBy, by: null };
    const partial = await planned.partial({ clock: columns.clock, relationOf: fresh, windows }, this.#signal);
    const pairBy = pairsBy(plan, key, columns.fields);
    const difference = { ...columns, pairBy, comparesTime: saysTime(columns.made) };
    const ledger = { ...state.ledger, seq: behindSeq, read: this.#readBefore() };
    const was = withTold(finalRows(shape, final, "was", null));
    return {
      path: state.path,
      before: [
        "BEGIN",
        ...(state.ledger.seq === behindSeq ? dropPending : settle(shape, behindSeq, sayLedger(ledger))),
        ...forgetClosed(lateBy),
      ],
      tables: [
        deltaTable(partial),
        nextTable(shape, closedBy === null ? null : { after: closedBefore, by: closedBy }),
        isTableOf(finalRows(shape, final, "next", closedBy), columns),
        wasTableOf(was, columns),
        `CREATE TEMP TABLE ${outTable} AS ${differenceRows(difference)}`,
        toldTable(this.#stored(planned.identified), outTable),
        leavePending(shape, behindSeq + 1),
      ],
      copy: (file) => differenceSql({ ...difference, ...file }, `SELECT * FROM ${outTable}`),
      after: ["COMMIT"],
      failed: async (error) => {
        const why = tooLarge(error);
        await this.#states.drop(id);
        this.#states.refuse(id, this.#refusal, why);
      },
      left: async (rows) => {
        const [{ groups }] = counted.parse(rows);
        const next = { ...ledger, seq: behindSeq + 1, read: this.#readAfter(), isCommitted: false };
        await this.#states.keep(id, { path: state.path, ledger, left: next, groups });
      },
    };
  }

  #readAfter(): Map<DatasetId, number> {
    return new Map(this.#run.seen.map(({ decided }) => [decided.datasetId, decided.belowOffset]));
  }
}

/** @throws the error where it says something else than that groups are too many for this server */
function tooLarge(error: unknown): string {
  if (isMillraceError(error, "out_of_memory", "disk_full"))
    return "they do not fit into the memory or the disk of a worker";
  throw error;
}
