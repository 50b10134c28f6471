import type { DatasetId, Instant, TraceId } from "../base/index.ts";
import type { DatasetRef, Datasets } from "../datasets/index.ts";
import type { ResultColumn } from "../engines/index.ts";
import type { DataField } from "../slices/index.ts";
import { carried } from "./carry.ts";
import { type Closing, closingOf, watermarkOf } from "./closing.ts";
import type { Decision } from "./decision.ts";
import { differenceSql } from "./difference.ts";
import { fieldsOf, pairsBy } from "./fields.ts";
import { placeColumn } from "./join.ts";
import { checkDriving, drivingOf } from "./lookup-join.ts";
import { allRows, byName, columnsOf, newRows, oldRows, type SeenInput, seeInputs } from "./open-inputs.ts";
import type { Plan } from "./plan.ts";
import { goesOn, kindOf, type PlannedState, planned, type RunHead } from "./planned.ts";
import { type ReadRows, StatePreparation, type StateScript, type StateWork } from "./prepare-state.ts";
import { mayHold, reachOfRun, rowsWithin, type TimeRange } from "./reach.ts";
import {
  appendSql,
  changedTables,
  type OwnRows,
  type RunColumns,
  type RunFile,
  resultTables,
  saysTime,
} from "./run-sql.ts";
import type { RelationOf, TransformSelect } from "./select.ts";
import type { States } from "./states.ts";

/** What a run is of. */
export interface RunTarget {
  readonly ref: Pick<DatasetRef, "id" | "path">;
  readonly select: TransformSelect;
  readonly inputs: readonly DatasetRef[];
  readonly traceId: TraceId;
}

/** A run that is ready to be written. */
export interface Run {
  readonly target: RunTarget;
  readonly decision: Decision;
  readonly fields: readonly DataField[];
  readonly watermark: Instant | null;
  readonly key: readonly string[];
  /** What makes the tables that the slice is made of. */
  readonly tables: readonly string[];
  readonly copy: (file: RunFile) => string;
  /** SQL of the places of rows that came too late; null where none can. */
  readonly late: string | null;
  /** What it does to the state of its groups; null where it works on none. */
  readonly state: Pick<StateWork, "path" | "before" | "after" | "left" | "failed"> | null;
}

/** Makes a run ready: its inputs are held open, and its SQL is a function of what was decided and of what the derivative was. */
export class Preparation {
  readonly #datasets: Datasets;
  readonly #states: States | null;
  readonly #target: RunTarget;
  readonly #head: RunHead;
  readonly #decision: Decision;
  readonly #held: AsyncDisposableStack;
  readonly #signal: AbortSignal;

  /** @param states those that the run may work on; null: it makes everything of its inputs' rows */
  constructor(
    { datasets, states }: { readonly datasets: Datasets; readonly states: States | null },
    { target, head, decision }: { readonly target: RunTarget; readonly head: RunHead; readonly decision: Decision },
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ) {
    this.#states = states;
    this.#datasets = datasets;
    this.#target = target;
    this.#head = head;
    this.#decision = decision;
    this.#held = held;
    this.#signal = signal;
  }

  /** @throws sql_*, data_expired; conflict where its columns cannot follow the dataset's */
  async run(describe: (sql: string) => Promise<readonly ResultColumn[]>, script: StateScript): Promise<Run> {
    const { clock } = this.#decision;
    const { ref, select, inputs } = this.#target;
    const seen = await seeInputs(this.#datasets, inputs, this.#decision, this.#signal);
    const known = await planned(select, seen, clock, describe, this.#signal);
    const { plan, made } = known;
    const driving = drivingOf(seen, select);
    checkDriving(plan, driving);
    const kind = kindOf(plan, driving, this.#decision, this.#head);
    const fields = fieldsOf(made, ref, this.#head.schema, kind !== "append");
    const columns = { clock, nextOffset: this.#head.nextOffset, fields, made };
    const decided = this.#decision.watermark;
    const watermark = decided === undefined ? watermarkOf(driving, select.emit, this.#head) : decided;
    const about = { target: this.#target, decision: this.#decision, fields, watermark, key: select.key, state: null };
    const goes = goesOn(this.#decision);
    const closing = closingOf(plan, select.emit, watermark, goes ? this.#head.watermark : null);
    if (goes && "of" in known.state && (kind === "scope" || kind === "all")) {
      const work = await this.#overState(seen, columns, { ...known, state: known.state }, closing, script);
      if (work !== null) return { ...about, ...work };
    }
    switch (kind) {
      case "append":
        return { ...about, ...(await this.#appended(seen, columns)) };
      case "joined":
        return { ...about, ...(await this.#joined(seen, columns, plan)) };
      case "changes":
        return { ...about, ...(await this.#changed(seen, columns)) };
      case "scope":
        return { ...about, ...(await this.#scoped(seen, columns, plan, closing)) };
      case "all":
        return { ...about, ...(await this.#anew(seen, columns, plan, closing)) };
    }
  }

  /** New rows of what drives; what is looked up brings all that it has. */
  async #appended(seen: readonly SeenInput[], columns: RunColumns) {
    const { select } = this.#target;
    const fresh = await this.#newRows(drivingOf(seen, select));
    if (select.lookedUp.length === 0) {
      const rows = await select.rowsSql(columns.clock, fresh, this.#signal);
      return { tables: [], copy: appendSql(rows, columns), late: null };
    }
    const all = await this.#allRows(drivingOf(seen, { driving: select.lookedUp }));
    const relationOf: RelationOf = (path, at) => (select.lookups[at] === true ? all : fresh)(path, at);
    const rows = await select.rowsSql(columns.clock, relationOf, this.#signal);
    // A join keeps no order. Rows that one input row makes are told apart by their values, and the event time may be one of these.
    const time = columns.made.find(({ name }) => name.toLowerCase() === "event_time");
    const order = [carried.row, ...(time === undefined ? [] : [time.name])];
    return { tables: [], copy: appendSql(rows, columns, order), late: null };
  }

  /**
   * New rows of each table with the rows of the others: of those before it in the text all, of those behind it the ones that were read
   * before, so that each pair is met once.
   */
  async #joined(seen: readonly SeenInput[], columns: RunColumns, plan: Plan) {
    const { select } = this.#target;
    const inputs = select.references.map((path) => seen.find(({ ref }) => isSamePath(ref.path, path)));
    const terms: string[] = [];
    for (const [at, input] of inputs.entries()) {
      if (input === undefined || input.decided.fromOffset === input.decided.belowOffset) continue;
      const reach = reachOfRun(plan, [input], { closedBy: null, closedBefore: null });
      const fresh = await this.#newRows(seen);
      const [all, old] = [await this.#allRows(seen, reach), await this.#oldRows(seen, reach)];
      const relationOf: RelationOf = (path, of) => (of < at ? all : of === at ? fresh : old)(path, of);
      terms.push(await select.joinSql(columns.clock, relationOf, this.#signal));
    }
    const places = select.references.map((_, at) => placeColumn(at));
    const rows = terms.map((term) => `(${term})`).join(" UNION ALL ");
    return { tables: [], copy: appendSql(rows, columns, places), late: null };
  }

  async #oldRows(seen: readonly SeenInput[], reach: TimeRange | null): Promise<RelationOf> {
    const isNeeded = reach === null ? () => true : mayHold(reach);
    const relations: string[] = [];
    for (const input of seen) {
      const rows = await oldRows(this.#datasets, input, this.#held, this.#signal, isNeeded);
      relations.push(reach === null ? rows : rowsWithin(rows, reach));
    }
    return byName(seen, relations);
  }

  async #changed(seen: readonly SeenInput[], columns: RunColumns) {
    const rows = await this.#target.select.rowsSql(columns.clock, await this.#newRows(seen), this.#signal);
    const tables = changedTables(rows, await this.#ownRows(), columns);
    const difference = { ...columns, pairBy: [], comparesTime: true };
    return { tables, copy: (file: RunFile) => differenceSql({ ...difference, ...file }), late: null };
  }

  async #anew(seen: readonly SeenInput[], columns: RunColumns, plan: Plan, { closedBy }: Closing) {
    const { clock } = columns;
    const all = { clock, relationOf: await this.#allRows(seen), restricted: false, closedBy };
    const result = await this.#target.select.resultSql(plan, all, this.#signal);
    return { ...(await this.#compared({ result, values: null, scope: [] }, columns, plan)), late: null };
  }

  /** Null where no state can be had. */
  async #overState(
    seen: readonly SeenInput[],
    columns: RunColumns,
    { plan, state: planned }: { readonly plan: Plan; readonly state: PlannedState },
    closing: Closing,
    script: StateScript,
  ) {
    const { ref, select } = this.#target;
    const { transformSeq } = this.#head;
    if (this.#states === null || transformSeq == null) return null;
    const { behindSeq } = this.#decision;
    const about = { id: ref.id, plan, planned, columns, closing, key: select.key, behindSeq, transformSeq, seen };
    const preparation = new StatePreparation(this.#states, about, script, this.#signal);
    const state = await preparation.ready(
      (from) => this.#readRows(seen, from),
      () => this.#ownRows(),
    );
    if (state === null) return null;
    const fresh = await this.#newRows(seen);
    const { path, before, after, left, failed, ...made } = await preparation.run(state, fresh);
    return { ...made, late: await this.#lateOf(fresh, closing), state: { path, before, after, left, failed } };
  }

  /** Rows of the inputs that runs have read, from these offsets on. */
  async #readRows(seen: readonly SeenInput[], from: ReadonlyMap<DatasetId, number>): Promise<ReadRows> {
    const relations: string[] = [];
    let haveExpired = false;
    for (const input of seen) {
      const { fromOffset: belowOffset } = input.decided;
      const fromOffset = from.get(input.ref.id) ?? 0;
      haveExpired ||= fromOffset < belowOffset && input.snapshot.expiredBefore > fromOffset;
      const read = { ...input, decided: { ...input.decided, fromOffset, belowOffset } };
      relations.push(await newRows(this.#datasets, read, this.#held, this.#signal));
    }
    return { relationOf: byName(seen, relations), haveExpired };
  }

  async #lateOf(fresh: RelationOf, { lateBy }: Closing): Promise<string | null> {
    if (lateBy === null) return null;
    const part = { clock: this.#decision.clock, relationOf: fresh, windows: { after: null, by: lateBy } };
    return await this.#target.select.placesSql(part, this.#signal);
  }

  async #scoped(seen: readonly SeenInput[], columns: RunColumns, plan: Plan, closing: Closing) {
    const { select } = this.#target;
    const { clock } = columns;
    const { closedBy, closedBefore, lateBy } = closing;
    const reach = reachOfRun(plan, seen, closing);
    const [all, fresh] = [await this.#allRows(seen, reach), await this.#newRows(seen)];
    const result = await select.resultSql(plan, { clock, relationOf: all, restricted: true, closedBy }, this.#signal);
    const scopeOf = (relationOf: RelationOf, after: Instant | null, by: Instant | null) =>
      select.scopeSql(plan, { clock, relationOf, windows: { after, by } }, this.#signal);
    const touched = await scopeOf(fresh, lateBy, null);
    // Windows close as time goes on, whether new rows are theirs or not.
    const closed = closedBy === null ? null : await scopeOf(all, closedBefore, closedBy);
    const values = closed === null ? touched : `(${touched}) UNION (${closed})`;
    const scope = (plan.scope ?? []).map(({ name }) => name);
    const late = await this.#lateOf(fresh, closing);
    // The event times of the result's rows are those of the inputs', unless the SELECT says others.
    const ownReach = saysTime(columns.made) ? null : reach;
    return { ...(await this.#compared({ result, values, scope }, columns, plan, ownReach)), late };
  }

  async #compared(
    made: { readonly result: string; readonly values: string | null; readonly scope: readonly string[] },
    columns: RunColumns,
    plan: Plan,
    ownReach: TimeRange | null = null,
  ) {
    const pairBy = pairsBy(plan, this.#target.select.key, columns.fields);
    const difference = { ...columns, pairBy, comparesTime: saysTime(columns.made) };
    const tables = resultTables({ ...made, own: await this.#ownRows(ownReach) }, columns);
    return { tables, copy: (file: RunFile) => differenceSql({ ...difference, ...file }) };
  }

  async #newRows(seen: readonly SeenInput[]): Promise<RelationOf> {
    const relations: string[] = [];
    for (const input of seen) relations.push(await newRows(this.#datasets, input, this.#held, this.#signal));
    return byName(seen, relations);
  }

  async #allRows(seen: readonly SeenInput[], reach: TimeRange | null = null): Promise<RelationOf> {
    const relations: string[] = [];
    for (const input of seen) {
      const isNeeded = reach === null ? () => true : mayHold(reach);
      const rows = await allRows(this.#datasets, input, this.#held, this.#signal, isNeeded);
      relations.push(reach === null ? rows : rowsWithin(rows, reach));
    }
    return byName(seen, relations);
  }

  /** SQL of the derivative's rows that held before the run; null where it had none. */
  async #ownRows(reach: TimeRange | null = null): Promise<OwnRows | null> {
    if (this.#head.nextOffset === 0) return null;
    const { ref } = this.#target;
    const version = { kind: "version", seq: this.#decision.behindSeq } as const;
    const snapshot = await this.#datasets.snapshot(ref.id, version, this.#signal);
    const isNeeded = reach === null ? () => true : mayHold(reach);
    const sql = await allRows(this.#datasets, { ref, snapshot }, this.#held, this.#signal, isNeeded);
    return { sql, columns: columnsOf({ snapshot }) };
  }
}

function isSamePath(one: DatasetRef["path"], other: DatasetRef["path"]): boolean {
  return one.project === other.project && one.dataset === other.dataset;
}
