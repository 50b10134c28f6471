import path from "node:path";
import { z } from "zod";
import { type Disk, formatDatasetPath, type Instant, instant, MillraceError, type TraceId } from "../base/index.ts";
import {
  type DatasetRef,
  type Datasets,
  type Head,
  type OpenSlices,
  relationOf,
  type Snapshot,
} from "../datasets/index.ts";
import type { Engine, ResultColumn } from "../engines/index.ts";
import {
  type DataField,
  type DataSchema,
  duckdbType,
  fieldFromDuckdb,
  ident,
  literal,
  type Multihash,
  multihash,
  ownColumns,
  schemaWith,
  sliceOptions,
  sliceType,
  systemColumns,
  timestampLiteral,
  widen,
} from "../slices/index.ts";
import { carried } from "./carry.ts";
import type { DecidedInput, Decision } from "./decision.ts";
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

/** The rows of one input that a run reads, held open. */
interface OpenInput {
  readonly snapshot: Snapshot;
  readonly relation: string;
  readonly open: OpenSlices;
}

const mostAttempts = 5;
const described = z.array(z.object({ name: z.string(), type: z.string() }));

/** Does what was decided: a pure function of the decision, committed once. */
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
        const outcome = await this.#attempt({ ...run, head, output: `${files}.${attempt}.parquet`, attempt }, signal);
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
  async again(
    target: RunTarget,
    head: Pick<Head, "nextOffset" | "schema">,
    decision: Decision,
    signal: AbortSignal,
  ): Promise<Multihash | null> {
    await using held = new AsyncDisposableStack();
    const run = await this.#prepare(target, head, decision, held, signal);
    const output = path.join(this.#options.directory, `${target.traceId}.again.parquet`);
    try {
      await this.#script(copySql({ ...run, output, attempt: 1 }), target, signal);
      const { rows, logicalHash } = await this.#options.engine.hashes(output, signal);
      return rows === 0 ? null : multihash(logicalHash);
    } finally {
      await this.#options.disk.remove(output);
    }
  }

  async #prepare(
    target: RunTarget,
    head: Pick<Head, "nextOffset" | "schema">,
    decision: Decision,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<PreparedRun> {
    const opened = await this.#openInputs(target, decision, held, signal);
    const sql = await target.select.runSql(decision.clock, (input) => relationIn(opened, input), signal);
    const made = await this.#describe(sql, target, signal);
    const watermark = earliest([...opened.values()].map(({ snapshot }) => snapshot.watermark));
    const columns = { fields: fieldsOf(made, target.ref, head.schema), eventTime: eventTimeSql(made) };
    return { target, nextOffset: head.nextOffset, decision, sql, ...columns, watermark };
  }

  /** The columns that a SELECT makes of its inputs as they are; null where one of them has none yet. */
  async columns(
    select: TransformSelect,
    inputs: readonly DatasetRef[],
    signal: AbortSignal,
  ): Promise<DataSchema | null> {
    const relations = new Map<string, string>();
    for (const { id, path: name } of inputs) {
      const snapshot = await this.#options.datasets.snapshot(id, undefined, signal);
      if (snapshot.schema === null) return null;
      relations.set(formatDatasetPath(name), relationOf(name, snapshot, { slices: [], paths: [] }));
    }
    const sql = await select.runSql(instant(0), (input) => relations.get(formatDatasetPath(input)) ?? "", signal);
    const described = await this.#options.engine.describe(sql, signal);
    return schemaWith(described.filter(isOwn).map(({ name, type }) => fieldFromDuckdb(name, type)));
  }

  /** Not `engine.describe`, which waits behind queries. */
  async #describe(sql: string, target: RunTarget, signal: AbortSignal): Promise<readonly ResultColumn[]> {
    const rows = await this.#script(
      `SELECT column_name AS name, column_type AS type FROM (DESCRIBE ${sql})`,
      target,
      signal,
    );
    return described.parse(rows);
  }

  async #script(sql: string, { ref, traceId }: RunTarget, signal: AbortSignal): Promise<readonly unknown[]> {
    const statements = [{ sql, rows: true }];
    const label = formatDatasetPath(ref.path);
    const [rows = []] = await this.#options.engine.script({ traceId, label, statements, role: "compute" }, signal);
    return rows;
  }

  async #openInputs(
    { inputs }: RunTarget,
    decision: Decision,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, OpenInput>> {
    const opened = new Map<string, OpenInput>();
    for (const decided of decision.inputs) {
      const ref = inputs.find(({ id }) => id === decided.datasetId);
      if (ref === undefined)
        throw new MillraceError("conflict", "A run was decided over a dataset that the transform does not read.");
      opened.set(formatDatasetPath(ref.path), await this.#openInput(ref, decided, held, signal));
    }
    return opened;
  }

  async #openInput(
    { id, path: name }: DatasetRef,
    { seq, fromOffset, belowOffset }: DecidedInput,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<OpenInput> {
    const { datasets } = this.#options;
    for (let isRefreshed = false; ; isRefreshed = true) {
      const snapshot = await datasets.snapshot(id, { kind: "version", seq }, signal);
      const bounds = { fromOffset: Math.max(fromOffset, snapshot.expiredBefore), belowOffset };
      const slices = snapshot.slices.filter(
        ({ firstOffset, lastOffset }) => lastOffset >= bounds.fromOffset && firstOffset < belowOffset,
      );
      try {
        const open = held.use(await datasets.openSlices(id, slices, signal));
        return { snapshot, open, relation: relationOf(name, snapshot, { slices, paths: open.paths }, bounds) };
      } catch (error) {
        // Compacted meanwhile: the same rows are in other files.
        const isGone = error instanceof MillraceError && error.code === "data_expired";
        if (isRefreshed || !isGone) throw error;
        await datasets.refresh(id, signal);
      }
    }
  }

  async #attempt(run: Attempt, signal: AbortSignal): Promise<RunOutcome | "gone"> {
    const { engine, datasets } = this.#options;
    const { target, head, decision, fields, watermark, output } = run;
    await this.#script(copySql(run), target, signal);
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

interface PreparedRun {
  readonly target: RunTarget;
  readonly nextOffset: number;
  readonly decision: Decision;
  readonly sql: string;
  readonly fields: readonly DataField[];
  /** SQL of a row's event time. */
  readonly eventTime: string;
  readonly watermark: Instant | null;
}

interface FileOrder extends PreparedRun {
  readonly output: string;
  readonly attempt: number;
}

interface Attempt extends FileOrder {
  readonly head: Head;
}

/** Writes the slice of a run. In another attempt its file has another name: under the former one it may be collected. */
function copySql({ nextOffset, decision, sql, fields, eventTime, output, attempt }: FileOrder): string {
  const columns = fields.map((field) => {
    const name = ident(field.name);
    return `, CAST(${name} AS ${sliceType(duckdbType(field))}) AS ${name}`;
  });
  const tag = attempt === 1 ? "" : `, KV_METADATA {attempt: '${attempt}'}`;
  const system = timestampLiteral(decision.clock);
  return `COPY (SELECT CAST(row_number() OVER () - 1 + ${nextOffset} AS UBIGINT) AS "offset",
  CAST(${ident(carried.op)} AS UTINYINT) AS op, ${system} AS system_time,
  coalesce(${eventTime}, ${system}) AS event_time${columns.join("")}
FROM (${sql})) TO ${literal(output)} (${sliceOptions}${tag})`;
}

/** The input row's own, unless the SELECT makes a column of that name. */
function eventTimeSql(made: readonly ResultColumn[]): string {
  const said = made.find(({ name }) => name.toLowerCase() === "event_time");
  const own = ident(carried.eventTime);
  return said === undefined ? own : `coalesce(CAST(${ident(said.name)} AS TIMESTAMPTZ), ${own})`;
}

function isOwn({ name }: ResultColumn): boolean {
  return !systemColumns.includes(name.toLowerCase()) && !Object.values<string>(carried).includes(name);
}

/**
 * The dataset's columns once the run's rows are there: those it has, wider where they must be, and new ones behind them.
 * @throws conflict where a column became one that no wider type holds, or is no longer made
 */
function fieldsOf(
  made: readonly ResultColumn[],
  { path: name }: Pick<DatasetRef, "path">,
  schema: DataSchema | null,
): DataField[] {
  const own = made.filter(isOwn);
  const known = schema === null ? [] : ownColumns(schema);
  const kept = known.map((field) => {
    const now = own.find((column) => column.name === field.name);
    if (now === undefined) throw changed(name, field.name, "is no longer made");
    const before = duckdbType(field);
    const type = widen(before, sliceType(now.type)) ?? null;
    if (type === null) throw changed(name, field.name, `was ${before} and is now ${now.type}`);
    return type === before ? field : fieldFromDuckdb(field.name, type);
  });
  const added = own.filter((column) => !known.some((field) => field.name === column.name));
  return [...kept, ...added.map((column) => fieldFromDuckdb(column.name, column.type))];
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

function relationIn(opened: ReadonlyMap<string, OpenInput>, input: DatasetRef["path"]): string {
  const found = opened.get(formatDatasetPath(input));
  if (found === undefined) throw new Error(`a run does not read ${formatDatasetPath(input)}`);
  return found.relation;
}

/** null where one input has none: it may bring any time. */
function earliest(watermarks: readonly (Instant | null)[]): Instant | null {
  const known = watermarks.filter((one) => one !== null);
  return known.length < watermarks.length || known.length === 0 ? null : instant(Math.min(...known));
}
