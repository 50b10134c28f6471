import path from "node:path";
import { z } from "zod";
import { type Disk, formatDatasetPath, type Instant, instant, MillraceError, type TraceId } from "../base/index.ts";
import { foldName, inUsersText } from "../compiler/index.ts";
import type { DatasetRef, Datasets, Head } from "../datasets/index.ts";
import type { Engine, ResultColumn } from "../engines/index.ts";
import {
  type DataField,
  type DataSchema,
  duckdbType,
  fieldFromDuckdb,
  isChangelog,
  isRetracts,
  type Multihash,
  multihash,
  ownColumns,
  retractsField,
  schemaWith,
  sliceType,
  systemColumns,
  userColumns,
  widen,
} from "../slices/index.ts";
import { carried } from "./carry.ts";
import type { DecidedInput, Decision } from "./decision.ts";
import { differenceSql } from "./difference.ts";
import { allRows, byName, newRows, noRows, type SeenInput, seeInputs } from "./open-inputs.ts";
import type { Plan } from "./plan.ts";
import { appendSql, changedTables, type RunFile, resultTables, saysTime, twiceSql } from "./run-sql.ts";
import type { TransformSelect } from "./select.ts";

export interface RunnerOptions {
  readonly datasets: Datasets;
  readonly engine: Engine;
  readonly disk: Disk;
  readonly directory: string;
}

/** What a run is of. */
export interface RunTarget {
  readonly ref: Pick<DatasetRef, "id" | "path">;
  readonly select: TransformSelect;
  readonly inputs: readonly DatasetRef[];
  readonly traceId: TraceId;
}

export type RunOutcome =
  | { readonly outcome: "committed"; readonly seq: number; readonly rows: number }
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
    const run = await this.#prepare(target, head, decision, held, signal);
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
    const run = await this.#prepare(target, head, decision, held, signal);
    const output = path.join(this.#options.directory, `${target.traceId}.again.parquet`);
    try {
      await this.#write(run, { output, attempt: 1 }, signal);
      const { rows, logicalHash } = await this.#options.engine.hashes(output, signal);
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
    const isChanging = plan.scope !== null || seen.some(bringsChanges);
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

  async #prepare(
    target: RunTarget,
    head: RunHead,
    decision: Decision,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<Run> {
    const { datasets } = this.#options;
    const { select } = target;
    const seen = await seeInputs(datasets, target.inputs, decision, signal);
    const { clock } = decision;
    const { plan, made } = await planned(select, seen, clock, (sql) => this.#describe(sql, target, signal), signal);
    const kind = kindOf(plan, seen, decision, head);
    const fields = fieldsOf(made, target.ref, head.schema, kind !== "append");
    const about = { clock, nextOffset: head.nextOffset, fields, made };
    const watermark = earliest(seen.map(({ snapshot }) => snapshot.watermark));
    const fresh = async () => byName(seen, await each(seen, (input) => newRows(datasets, input, held, signal)));
    const all = async () => byName(seen, await each(seen, (input) => allRows(datasets, input, held, signal)));
    const own = () => this.#ownRows(target, head, decision, held, signal);
    const rest = { target, decision, fields, watermark, key: select.key };
    switch (kind) {
      case "append":
        return { ...rest, tables: [], copy: appendSql(await select.rowsSql(clock, await fresh(), signal), about) };
      case "changes": {
        const rows = await select.rowsSql(clock, await fresh(), signal);
        const difference = { pairBy: [], comparesTime: true, ...about };
        return {
          ...rest,
          tables: changedTables(rows, await own(), about),
          copy: (file) => differenceSql({ ...difference, ...file }),
        };
      }
      case "scope":
      case "all": {
        const restricted = kind === "scope";
        const result = await select.resultSql(plan, { clock, relationOf: await all(), restricted }, signal);
        const scope = restricted ? (plan.scope ?? []) : [];
        const values = restricted ? await select.scopeSql(plan, clock, await fresh(), signal) : null;
        const difference = { pairBy: pairsBy(plan, select.key, fields), comparesTime: saysTime(made), ...about };
        const names = scope.map(({ name }) => name);
        const tables = resultTables({ result, own: await own(), values, scope: names }, about);
        return { ...rest, tables, copy: (file) => differenceSql({ ...difference, ...file }) };
      }
    }
  }

  /** SQL of the derivative's rows that held before the run; null where it had none. */
  async #ownRows(
    { ref }: RunTarget,
    head: RunHead,
    decision: Decision,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<string | null> {
    if (head.nextOffset === 0) return null;
    const { datasets } = this.#options;
    const snapshot = await datasets.snapshot(ref.id, { kind: "version", seq: decision.behindSeq }, signal);
    return await allRows(datasets, { ref, snapshot }, held, signal);
  }

  /** Not `engine.describe`, which waits behind queries. */
  async #describe(sql: string, target: RunTarget, signal: AbortSignal): Promise<readonly ResultColumn[]> {
    const statement = `SELECT column_name AS name, column_type AS type FROM (DESCRIBE ${sql})`;
    const [rows] = await this.#script([{ sql: statement, rows: true }], target, signal);
    return described.parse(rows);
  }

  async #script(
    statements: readonly { readonly sql: string; readonly rows: boolean }[],
    { ref, traceId }: RunTarget,
    signal: AbortSignal,
  ): Promise<readonly (readonly unknown[])[]> {
    const label = formatDatasetPath(ref.path);
    return await this.#options.engine.script({ traceId, label, statements, role: "compute" }, signal);
  }

  /** Writes the slice of a run. @throws conflict where two rows have one key */
  async #write(run: Run, file: RunFile, signal: AbortSignal): Promise<void> {
    const { target, tables, copy, key } = run;
    const statements = [...tables.map((sql) => ({ sql, rows: false })), { sql: copy(file), rows: false }];
    const isChecked = key.length > 0 && tables.length > 0;
    const check = isChecked ? [{ sql: twiceSql(key), rows: true }] : [];
    const answers = await this.#script([...statements, ...check], target, signal);
    const found = isChecked ? (twice.parse(answers.at(-1))[0]?.twice ?? 0) : 0;
    if (found > 0)
      throw new MillraceError(
        "conflict",
        `The SELECT makes more than one row of ${found} values of its KEY (${key.join(", ")}).`,
        {
          hint: "Group by the KEY, or pick one row of each in the SELECT.",
        },
      );
  }

  async #attempt(run: Run, head: Head, file: RunFile, signal: AbortSignal): Promise<RunOutcome | "gone"> {
    const { engine, datasets } = this.#options;
    const { target, decision, fields, watermark } = run;
    const { output } = file;
    await this.#write(run, file, signal);
    const [hashes, statistics] = await Promise.all([
      engine.hashes(output, signal),
      engine.columnStatistics(output, signal),
    ]);
    const schema = schemaWith(fields);
    const isNewSchema = head.schema === null || JSON.stringify(head.schema) !== JSON.stringify(schema);
    const data = {
      localPath: output,
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
    return { outcome: "committed", seq: committed.seq, rows: hashes.rows };
  }
}

/** Where a derivative stood before a run. */
type RunHead = Pick<Head, "nextOffset" | "schema">;

/** A run that is ready to be written. */
interface Run {
  readonly target: RunTarget;
  readonly decision: Decision;
  readonly fields: readonly DataField[];
  readonly watermark: Instant | null;
  readonly key: readonly string[];
  /** What makes the tables that the slice is made of. */
  readonly tables: readonly string[];
  readonly copy: (file: RunFile) => string;
}

/**
 * How a run makes its block of new rows: one row of each (append), changes of each (changes), what they may change (scope), or everything
 * anew (all).
 */
type RunKind = "append" | "changes" | "scope" | "all";

function kindOf(plan: Plan, seen: readonly SeenInput[], { inputs }: Decision, head: RunHead): RunKind {
  // The first run of a transform that takes another's place: what is there is compared with everything.
  const isFirst = inputs.every(({ readBlock }) => readBlock === null);
  if (isFirst && head.nextOffset > 0) return "all";
  if (plan.scope === null) return seen.some(bringsChanges) ? "changes" : "append";
  return plan.scope.length === 0 || isFirst ? "all" : "scope";
}

function bringsChanges({ snapshot }: Pick<SeenInput, "snapshot">): boolean {
  return snapshot.schema !== null && isChangelog(snapshot.schema);
}

/** The plan over inputs as they are, and the columns that it makes of them. */
async function planned(
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
      : await select.resultSql(first, { clock, relationOf, restricted: false }, signal);
  const made = await describe(sql);
  return {
    plan: select.plan(
      known,
      made.map(({ name }) => name),
    ),
    made,
  };
}

async function each<Of, Made>(all: readonly Of[], make: (one: Of) => Promise<Made>): Promise<Made[]> {
  const made: Made[] = [];
  for (const one of all) made.push(await make(one));
  return made;
}

/** Rows that a changed row replaces are those of its key, or of its scope. */
function pairsBy(plan: Plan, key: readonly string[], fields: readonly DataField[]): string[] {
  const wanted = key.length > 0 ? key : (plan.scope ?? []).map(({ name }) => name);
  return fields.map(({ name }) => name).filter((name) => wanted.some((one) => foldName(one) === foldName(name)));
}

const isOwn = ({ name }: ResultColumn) =>
  !systemColumns.includes(name.toLowerCase()) && !Object.values<string>(carried).includes(name);

/**
 * The dataset's columns once the run's rows are there: those it has, wider where they must be, and new ones behind them.
 * @throws conflict where a column became one that no wider type holds, or is no longer made
 */
function fieldsOf(
  made: readonly ResultColumn[],
  { path: name }: Pick<DatasetRef, "path">,
  schema: DataSchema | null,
  isChanging: boolean,
): DataField[] {
  const own = made.filter(isOwn);
  const known = schema === null ? [] : ownColumns(schema);
  const kept = known.map((field) => {
    if (isRetracts(field)) return field;
    const now = own.find((column) => column.name === field.name);
    if (now === undefined) throw changed(name, field.name, "is no longer made");
    const before = duckdbType(field);
    const type = widen(before, sliceType(now.type)) ?? null;
    if (type === null) throw changed(name, field.name, `was ${before} and is now ${now.type}`);
    return type === before ? field : fieldFromDuckdb(field.name, type);
  });
  const added = own.filter((column) => !known.some((field) => field.name === column.name));
  const fields = [...kept, ...added.map((column) => fieldFromDuckdb(column.name, column.type))];
  return isChanging && !fields.some(isRetracts) ? [...fields, retractsField] : fields;
}

function changed(name: DatasetRef["path"], column: string, what: string): MillraceError {
  return new MillraceError("conflict", `The column "${column}" of ${formatDatasetPath(name)} ${what}.`, {
    hint: "An input's columns have changed. Name the columns in the SELECT, with a CAST, in a new dataset.",
  });
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

/** null where one input has none: it may bring any time. */
function earliest(watermarks: readonly (Instant | null)[]): Instant | null {
  const known = watermarks.filter((one) => one !== null);
  return known.length < watermarks.length || known.length === 0 ? null : instant(Math.min(...known));
}
