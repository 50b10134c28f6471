import path from "node:path";
import { z } from "zod";
import { type Disk, formatDatasetPath, type Instant, instant, MillraceError } from "../base/index.ts";
import { inUsersText } from "../compiler/index.ts";
import type { DatasetRef, Datasets, Head } from "../datasets/index.ts";
import type { Engine, EngineScript, ResultColumn, WrittenSlice } from "../engines/index.ts";
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
import type { Plan } from "./plan.ts";
import { bringsChanges, planned, type RunHead } from "./planned.ts";
import { Preparation, type Run, type RunTarget } from "./prepare.ts";
import { type RunFile, twiceSql } from "./run-sql.ts";
import type { TransformSelect } from "./select.ts";

export interface RunnerOptions {
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

const mostAttempts = 5;
const described = z.array(z.object({ name: z.string(), type: z.string() }));
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
    const run = await this.#prepared({ target, head, decision }, held, signal);
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
   * The logical hash of the rows that a run makes again; null where it makes none. Nothing is committed.
   * @param head where the derivative stood before the run
   */
  async again(target: RunTarget, head: RunHead, decision: Decision, signal: AbortSignal): Promise<Multihash | null> {
    await using held = new AsyncDisposableStack();
    const run = await this.#prepared({ target, head, decision }, held, signal);
    const output = path.join(this.#options.directory, `${target.traceId}.again.parquet`);
    try {
      const { rows, logicalHash } = (await this.#write(run, { output, attempt: 1 }, signal)).hashes;
      return rows === 0 ? null : multihash(logicalHash);
    } finally {
      await this.#options.disk.remove(output);
    }
  }

  /** How a SELECT is kept right over its inputs as they are, and the columns that it makes of them; null where one has none yet. */
  async columns(
    select: TransformSelect,
    inputs: readonly DatasetRef[],
    signal: AbortSignal,
  ): Promise<{ readonly plan: Plan; readonly schema: DataSchema | null }> {
    const { datasets, engine } = this.#options;
    const seen = await Promise.all(
      inputs.map(async (ref) => ({ ref, snapshot: await datasets.snapshot(ref.id, undefined, signal) })),
    );
    if (seen.some(({ snapshot }) => snapshot.schema === null))
      return { plan: select.plan(() => null, null), schema: null };
    const describe = async (sql: string) =>
      await engine.describe(sql, signal).catch((error: unknown) => {
        throw inUsersText(error, select.sql);
      });
    const { plan, made } = await planned(select, seen, instant(0), describe, signal);
    const fields = made.filter(isOwn).map(({ name, type }) => fieldFromDuckdb(name, type));
    const driving = drivingOf(seen, select);
    checkDriving(plan, driving);
    const isChanging = plan.scope !== null || driving.some(bringsChanges);
    return { plan, schema: schemaWith(isChanging ? [...fields, retractsField] : fields) };
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
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<Run> {
    const preparation = new Preparation(this.#options.datasets, of, held, signal);
    return await preparation.run((sql) => this.#describe(sql, of.target, signal));
  }

  /** Not `engine.describe`, which waits behind queries. */
  async #describe(sql: string, target: RunTarget, signal: AbortSignal): Promise<readonly ResultColumn[]> {
    const statement = `SELECT column_name AS name, column_type AS type FROM (DESCRIBE ${sql})`;
    const [rows] = await this.#options.engine.script(this.#order([{ sql: statement, rows: true }], target), signal);
    return described.parse(rows);
  }

  #order(statements: EngineScript["statements"], { ref, traceId }: RunTarget): EngineScript {
    return { traceId, label: formatDatasetPath(ref.path), statements, role: "compute" };
  }

  /** Writes the slice of a run; gives the rows that came too late, too. @throws conflict where two rows have one key */
  async #write(
    run: Run,
    file: RunFile,
    signal: AbortSignal,
  ): Promise<Omit<WrittenSlice, "answers"> & { late: LateRows }> {
    const { target, tables, copy, key } = run;
    const made = [...tables.map((sql) => ({ sql, rows: false })), { sql: copy(file), rows: false }];
    const statements = run.late === null ? made : [{ sql: lateSql(run.late), rows: true }, ...made];
    const isChecked = key.length > 0 && tables.length > 0;
    const check = isChecked ? [{ sql: twiceSql(key), rows: true }] : [];
    const order = this.#order([...statements, ...check], target);
    const { answers, hashes, statistics } = await this.#options.engine.writeSlice(order, file.output, signal);
    const found = isChecked ? (twice.parse(answers.at(-1))[0]?.twice ?? 0) : 0;
    if (found > 0)
      throw new MillraceError(
        "conflict",
        `The SELECT makes more than one row of ${found} values of its KEY (${key.join(", ")}).`,
        {
          hint: "Group by the KEY, or pick one row of each in the SELECT.",
        },
      );
    return { hashes, statistics, late: run.late === null ? noneLate : lateRows(run, answers[0]) };
  }

  async #attempt(run: Run, head: Head, file: RunFile, signal: AbortSignal): Promise<RunOutcome | "gone"> {
    const { datasets } = this.#options;
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
