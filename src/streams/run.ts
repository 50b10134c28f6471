import path from "node:path";
import { z } from "zod";
import { type Disk, formatDatasetPath, type Instant, instant, MillraceError } from "../base/index.ts";
import { inUsersText } from "../compiler/index.ts";
import type { DatasetRef, Datasets, Head } from "../datasets/index.ts";
import type { Engine, EngineScript, ResultColumn, ScriptStatement, WrittenSlice } from "../engines/index.ts";
import {
  type DataSchema,
  duckdbType,
  fieldFromDuckdb,
  type Multihash,
  multihash,
  retractsField,
  schemaWith,
  userColumns,
} from "../slices/index.ts";
import type { DecidedInput, Decision } from "./decision.ts";
import { fieldsOf, isOwn } from "./fields.ts";
import { type LateRows, lateRows, lateSql, noneLate } from "./late.ts";
import { checkDriving, drivingOf } from "./lookup-join.ts";
import { newRows, type SeenInput } from "./open-inputs.ts";
import type { Plan } from "./plan.ts";
import { bringsChanges, planned, type RunHead, stateKept } from "./planned.ts";
import { Preparation, type Run, type RunTarget } from "./prepare.ts";
import { differingRows, hasFloats } from "./rounding.ts";
import { type RunFile, twiceSql } from "./run-sql.ts";
import type { TransformSelect } from "./select.ts";
import { countGroups } from "./state-sql.ts";
import type { States } from "./states.ts";

export interface RunnerOptions {
  readonly states: States;
  readonly datasets: Datasets;
  readonly engine: Engine;
  readonly disk: Disk;
  readonly directory: string;
}

export type RunOutcome =
  | {
      readonly outcome: "committed";
      readonly seq: number;
      readonly rows: number;
      readonly watermark: Instant | null;
      readonly late: LateRows;
    }
  /** Another process has committed behind the same block: its run is this one, or the chain has moved on. */
  | { readonly outcome: "lost" };

/** Rows of a derivative that a block says. */
export interface SaidRows extends Pick<SeenInput, "snapshot"> {
  readonly logicalHash: Multihash;
  readonly decided: Pick<DecidedInput, "fromOffset" | "belowOffset">;
}

const mostAttempts = 5;
const described = z.array(z.object({ name: z.string(), type: z.string() }));
const differs = z.tuple([z.object({ differing: z.number() })]);
const twice = z.array(z.object({ twice: z.number() }));

/** Does what was decided: a pure function of the decision and of what the derivative was, committed once. */
export class Runner {
  readonly #options: RunnerOptions;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** @throws sql_*, data_expired, disk_full, worker_lost, out_of_memory; conflict where its columns cannot follow the dataset's */
  async run(target: RunTarget, head: Head, decision: Decision, signal: AbortSignal): Promise<RunOutcome> {
    await using held = new AsyncDisposableStack();
    const run = await this.#prepared({ target, head, decision }, this.#options.states, held, signal);
    const files = path.join(this.#options.directory, target.traceId);
    try {
      for (let attempt = 1; attempt <= mostAttempts; attempt++) {
        const file = { output: `${files}.${attempt}.parquet`, attempt };
        const outcome = await this.#attempt(run, head, file, signal);
        if (outcome !== "gone") return outcome;
      }
      throw new MillraceError("conflict", "Files of a run were collected before its commit, again and again.");
    } finally {
      for (let attempt = 1; attempt <= mostAttempts; attempt++)
        await this.#options.disk.remove(`${files}.${attempt}.parquet`);
    }
  }

  /**
   * Makes the rows of a run again, and holds them against those of its block: the same, but for the rounding of floating-point numbers, or which logical hash
   * they have; null where it makes none. Nothing is committed.
   * @param head where the derivative stood before the run
   */
  async again(
    target: RunTarget,
    { head, decision, said }: { readonly head: RunHead; readonly decision: Decision; readonly said: SaidRows | null },
    signal: AbortSignal,
  ): Promise<"same" | Multihash | null> {
    await using held = new AsyncDisposableStack();
    const run = await this.#prepared({ target, head, decision }, null, held, signal);
    const output = path.join(this.#options.directory, `${target.traceId}.again.parquet`);
    try {
      const { rows, logicalHash } = (await this.#write(run, { output, attempt: 1 }, signal)).hashes;
      const made = rows === 0 ? null : multihash(logicalHash);
      if (made === (said?.logicalHash ?? null)) return "same";
      if (said === null || made === null || !hasFloats(run.fields)) return made;
      const there = await newRows(this.#options.datasets, { ref: target.ref, ...said }, held, signal);
      const statement = { sql: differingRows(output, there, run.fields), rows: true };
      const [answer] = await this.#options.engine.script(this.#order([statement], target), signal);
      return differs.parse(answer)[0].differing === 0 ? "same" : made;
    } finally {
      await this.#options.disk.remove(output);
    }
  }

  /** How a SELECT is kept right over its inputs as they are, and the columns that it makes of them; null where one has none yet. */
  async columns(
    select: TransformSelect,
    inputs: readonly DatasetRef[],
    signal: AbortSignal,
  ): Promise<{ readonly plan: Plan; readonly schema: DataSchema | null; readonly state: string }> {
    const { datasets, engine } = this.#options;
    const seen = await Promise.all(
      inputs.map(async (ref) => ({ ref, snapshot: await datasets.snapshot(ref.id, undefined, signal) })),
    );
    if (seen.some(({ snapshot }) => snapshot.schema === null))
      return { plan: select.plan(() => null, null), schema: null, state: "not known before its inputs have columns" };
    const describe = async (sql: string) =>
      await engine.describe(sql, signal).catch((error: unknown) => {
        throw inUsersText(error, select.sql);
      });
    const known = await planned(select, seen, instant(0), describe, signal);
    const { plan, made } = known;
    const fields = made.filter(isOwn).map(({ name, type }) => fieldFromDuckdb(name, type));
    const driving = drivingOf(seen, select);
    checkDriving(plan, driving);
    const isChanging = plan.scope !== null || driving.some(bringsChanges);
    return { plan, schema: schemaWith(isChanging ? [...fields, retractsField] : fields), state: stateKept(known) };
  }

  /** @throws conflict where the columns that it makes cannot follow the dataset's */
  async checkColumns(
    { ref, select, inputs }: Omit<RunTarget, "traceId">,
    before: DataSchema | null,
    signal: AbortSignal,
  ): Promise<void> {
    const { schema } = await this.columns(select, inputs, signal);
    const made =
      schema === null ? [] : userColumns(schema).map((field) => ({ name: field.name, type: duckdbType(field) }));
    if (schema !== null) fieldsOf(made, ref, before, true);
  }

  async #prepared(
    of: { readonly target: RunTarget; readonly head: RunHead; readonly decision: Decision },
    states: States | null,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<Run> {
    const preparation = new Preparation({ datasets: this.#options.datasets, states }, of, held, signal);
    return await preparation.run(
      (sql) => this.#describe(sql, of.target, signal),
      (attach, statements) => this.#options.engine.script(this.#order(statements, of.target, attach), signal),
    );
  }

  /** Not `engine.describe`, which waits behind queries. */
  async #describe(sql: string, target: RunTarget, signal: AbortSignal): Promise<readonly ResultColumn[]> {
    const statement = `SELECT column_name AS name, column_type AS type FROM (DESCRIBE ${sql})`;
    const [rows] = await this.#options.engine.script(this.#order([{ sql: statement, rows: true }], target), signal);
    return described.parse(rows);
  }

  #order(
    statements: readonly ScriptStatement[],
    { ref, traceId }: RunTarget,
    attach: string | null = null,
  ): EngineScript {
    const order = { traceId, label: formatDatasetPath(ref.path), statements, role: "compute" } as const;
    return attach === null ? order : { ...order, attach };
  }

  /** Writes the slice of a run; gives the rows that came too late, too. @throws conflict where two rows have one key */
  async #write(
    run: Run,
    file: RunFile,
    signal: AbortSignal,
  ): Promise<Omit<WrittenSlice, "answers"> & { late: LateRows }> {
    const { target, tables, copy, key, state } = run;
    const isChecked = key.length > 0 && tables.length > 0;
    const statements: ScriptStatement[] = [
      ...(state?.before ?? []).map((sql) => ({ sql })),
      ...(run.late === null ? [] : [{ sql: lateSql(run.late), rows: true }]),
      ...[...tables, copy(file), ...(state?.after ?? [])].map((sql) => ({ sql })),
      ...(isChecked ? [{ sql: twiceSql(key), rows: true }] : []),
      ...(state === null ? [] : [{ sql: countGroups, rows: true }]),
    ];
    const order = this.#order(statements, target, state?.path ?? null);
    const written = this.#options.engine.writeSlice(order, file.output, signal);
    const { answers, hashes, statistics } = await written.catch(async (error: unknown) => {
      await state?.failed(error);
      throw error;
    });
    const told = answers.filter((_, at) => statements[at]?.rows === true);
    const late = run.late === null ? undefined : told.shift();
    const found = isChecked ? (twice.parse(told.shift())[0]?.twice ?? 0) : 0;
    await state?.left(told.shift());
    if (found > 0)
      throw new MillraceError(
        "conflict",
        `The SELECT makes more than one row of ${found} values of its KEY (${key.join(", ")}).`,
        {
          hint: "Group by the KEY, or pick one row of each in the SELECT.",
        },
      );
    return { hashes, statistics, late: late === undefined ? noneLate : lateRows(run, late) };
  }

  async #attempt(run: Run, head: Head, file: RunFile, signal: AbortSignal): Promise<RunOutcome | "gone"> {
    const { datasets, states } = this.#options;
    const { target, decision, fields, watermark } = run;
    const { late, hashes, statistics } = await this.#write(run, file, signal);
    const schema = schemaWith(fields);
    const isNewSchema = head.schema === null || JSON.stringify(head.schema) !== JSON.stringify(schema);
    const data = {
      localPath: file.output,
      rows: hashes.rows,
      sizeBytes: hashes.sizeBytes,
      physicalHash: multihash(hashes.physicalHash),
      logicalHash: multihash(hashes.logicalHash),
      statistics,
    };
    const committed = await datasets.execute(
      target.ref.id,
      {
        expectedSeq: head.seq,
        ...(isNewSchema ? { schema } : {}),
        ...(hashes.rows === 0 ? {} : { data }),
        ...(watermark === null ? {} : { watermark }),
        systemTime: decision.clock,
        inputs: decision.inputs.map(executedInput),
      },
      signal,
    );
    if (run.state !== null) states.committed(target.ref.id, committed.outcome !== "lost");
    if (committed.outcome === "lost") return committed.gone ? "gone" : { outcome: "lost" };
    return { outcome: "committed", seq: committed.seq, rows: hashes.rows, watermark, late };
  }
}

function executedInput({ datasetId, readBlock, block, fromOffset, belowOffset }: DecidedInput) {
  return {
    datasetId,
    ...(readBlock === null ? {} : { prevBlockHash: readBlock }),
    newBlockHash: block,
    ...(fromOffset === 0 ? {} : { prevOffset: fromOffset - 1 }),
    ...(belowOffset === fromOffset ? {} : { newOffset: belowOffset - 1 }),
  };
}
