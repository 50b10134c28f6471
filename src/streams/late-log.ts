import path from "node:path";
import {
  type Clock,
  type DatasetPath,
  type Disk,
  formatDatasetPath,
  type Instant,
  instant,
  MillraceError,
} from "../base/index.ts";
import type { Datasets, Head } from "../datasets/index.ts";
import type { Engine } from "../engines/index.ts";
import {
  type DataField,
  duckdbType,
  ident,
  literal,
  multihash,
  ownColumns,
  sliceOptions,
  sliceType,
  systemColumns,
  timestampLiteral,
} from "../slices/index.ts";
import { placesFrom } from "./carry.ts";
import { closingOf } from "./closing.ts";
import type { Decision } from "./decision.ts";
import { byName, newRows, seeInputs } from "./open-inputs.ts";
import type { Plan } from "./plan.ts";
import type { RunTarget } from "./prepare.ts";
import type { RelationOf } from "./select.ts";

export interface LateLogOptions {
  readonly datasets: Datasets;
  readonly engine: Engine;
  readonly disk: Disk;
  readonly directory: string;
  readonly clock: Clock;
  /** The dataset of late rows; null: none is kept. */
  readonly lateRows: DatasetPath | null;
}

/** A run that was committed. */
export interface CommittedRun {
  readonly target: RunTarget;
  readonly plan: Pick<Plan, "window">;
  readonly decision: Decision;
  /** The derivative's watermark before it. */
  readonly before: Instant | null;
  /** Its block. */
  readonly seq: number;
}

const mostAttempts = 20;

/**
 * Keeps the rows that runs left out, for their windows had closed for good, as rows of a dataset. Which these are is a function of what the run
 * was decided by, so that they can be found again by its block; how far each derivative's have been written is the source state of that
 * dataset's chain, so that no two commits have the same.
 *
 *   run committed --its late rows found--> slice --commit with the run's number, unless the chain has it--> kept
 */
export class LateLog {
  readonly #options: LateLogOptions;

  constructor(options: LateLogOptions) {
    this.#options = options;
  }

  /** Whether a run of it can leave rows out, and they are kept. */
  isFor({ window }: Pick<Plan, "window">, { emit }: RunTarget["select"]): boolean {
    const isLimited = emit !== null && emit.allowedMs !== null && window !== null && window.kind !== "session";
    return this.#options.lateRows !== null && isLimited;
  }

  /** Writes a run's late rows, once. @throws errors of the store and the engine: the next call goes on */
  async keep(run: CommittedRun, signal: AbortSignal): Promise<void> {
    const { datasets, disk, directory, lateRows } = this.#options;
    const lateBy = lateByOf(run);
    if (lateRows === null || lateBy === null) return;
    const { id } = await datasets.get(lateRows);
    await using held = new AsyncDisposableStack();
    let rows: string | null = null;
    for (let attempt = 1; attempt <= mostAttempts; attempt++) {
      const head = await datasets.head(id, signal);
      if (Number(head.sourceState(sourceOf(run))?.value ?? 0) >= run.seq) return;
      rows ??= await this.#rows(run, lateBy, held, signal);
      const output = path.join(directory, `${run.target.traceId}.late.${attempt}.parquet`);
      try {
        if (await this.#write({ run, rows, output, attempt, id, head }, signal)) return;
      } finally {
        await disk.remove(output);
      }
      await datasets.refresh(id, signal);
    }
    throw new MillraceError("conflict", "Others wrote late rows again and again.", { retryAfterS: 1 });
  }

  /** Whether they are there: where others have committed meanwhile, they are not. */
  async #write(
    of: {
      readonly run: CommittedRun;
      readonly rows: string;
      readonly output: string;
      readonly attempt: number;
      readonly id: Parameters<Datasets["commit"]>[0];
      readonly head: Head;
    },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { run, rows, output, attempt, id, head } = of;
    const { datasets, engine, clock } = this.#options;
    const fields = head.schema === null ? [] : ownColumns(head.schema);
    // Under the name of a former attempt it may be collected.
    const systemTime = instant(Math.max(clock.now(), head.systemTime ?? 0) + attempt - 1);
    const sql = sliceSql(rows, { fields, systemTime, nextOffset: head.nextOffset, output });
    const { ref, traceId } = run.target;
    const order = { traceId, label: formatDatasetPath(ref.path), statements: [{ sql }], role: "compute" } as const;
    const { hashes, statistics } = await engine.writeSlice(order, output, signal);
    if (hashes.rows === 0) return true;
    const { outcome } = await datasets.commit(
      id,
      {
        expectedSeq: head.seq,
        data: {
          localPath: output,
          rows: hashes.rows,
          sizeBytes: hashes.sizeBytes,
          physicalHash: multihash(hashes.physicalHash),
          logicalHash: multihash(hashes.logicalHash),
          statistics,
        },
        sourceState: { sourceName: sourceOf(run), kind: "millrace/position", value: String(run.seq) },
        systemTime,
        by: "millrace",
      },
      signal,
    );
    return outcome === "committed";
  }

  /** SQL of the late rows, with the columns that the dataset has of them. */
  async #rows(
    { target, decision, before, seq }: CommittedRun,
    lateBy: Instant,
    held: AsyncDisposableStack,
    signal: AbortSignal,
  ): Promise<string> {
    const { datasets } = this.#options;
    const { select, inputs, ref } = target;
    const seen = await seeInputs(datasets, inputs, decision, signal);
    const relations: string[] = [];
    for (const input of seen) relations.push(await newRows(datasets, input, held, signal));
    const relationOf: RelationOf = byName(seen, relations);
    const part = { clock: decision.clock, relationOf, windows: { after: null, by: lateBy } };
    const missed = await select.missedSql(part, signal);
    const all = select.references.map((input, at) => {
      const { sql, columns } = relationOf(input, at);
      const own = columns.filter((name) => !systemColumns.includes(name.toLowerCase()));
      const row =
        own.length === 0 ? "'{}'" : `to_json({${own.map((name) => `${literal(name)}: ${ident(name)}`).join(", ")}})`;
      return `SELECT ${placesFrom(at)} AS place, ${literal(formatDatasetPath(input))} AS input, "offset" AS row_offset, event_time, ${row} AS "row" FROM (${sql})`;
    });
    const watermark = before === null ? "NULL" : timestampLiteral(before);
    return `SELECT place, ${literal(formatDatasetPath(ref.path))} AS dataset, input, row_offset, event_time, window_end, ${watermark} AS watermark, "row", ${seq} AS seq
FROM (${missed}) JOIN (${all.join(" UNION ALL ")}) USING (place)`;
  }
}

/** Up to when windows had closed for good before a run; null where it looked at everything anew, or none had. */
function lateByOf({ target, plan, decision, before }: CommittedRun): Instant | null {
  const isFirst = decision.inputs.every(({ readBlock }) => readBlock === null);
  return isFirst ? null : closingOf(plan, target.select.emit, null, before).lateBy;
}

const sourceOf = ({ target }: CommittedRun) => `late:${target.ref.id}`;

/** What is known of a late row, by the dataset's columns; a column that people have added is empty. */
const known = new Set(["dataset", "input", "row_offset", "window_end", "watermark", "row", "seq"]);

function sliceSql(
  rows: string,
  {
    fields,
    systemTime,
    nextOffset,
    output,
  }: {
    readonly fields: readonly DataField[];
    readonly systemTime: Instant;
    readonly nextOffset: number;
    readonly output: string;
  },
): string {
  const columns = fields.map((field) => {
    const value = known.has(field.name) ? ident(field.name) : "NULL";
    return `CAST(${value} AS ${sliceType(duckdbType(field))}) AS ${ident(field.name)}`;
  });
  return `COPY (SELECT CAST(row_number() OVER (ORDER BY place) - 1 + ${nextOffset} AS UBIGINT) AS "offset",
  CAST(0 AS UTINYINT) AS op, ${timestampLiteral(systemTime)} AS system_time, event_time, ${columns.join(", ")}
FROM (${rows}) ORDER BY "offset") TO ${literal(output)} (${sliceOptions})`;
}
