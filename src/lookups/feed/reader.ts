import { z } from "zod";
import {
  type DatasetId,
  type DatasetPath,
  type Disk,
  type IdSource,
  MillraceError,
  type QueryId,
} from "../../base/index.ts";
import { changesOf, type Datasets, type LiveSlice, type OffsetBounds, type Snapshot } from "../../datasets/index.ts";
import type { Engine, EngineResult } from "../../engines/index.ts";
import { changesSql, entryColumns, holdingSql, looseKeysSql, rowsSql } from "./part-sql.ts";

const usualPartRows = 200_000;
const partBytes = 256e6;
const readBytes = 1024 * 1024;

export interface ReaderOptions {
  readonly datasets: Datasets;
  readonly engine: Pick<Engine, "query">;
  readonly disk: Disk;
  readonly ids: IdSource;
  /** Rows of a part where its bytes allow it; 200,000 unless said. */
  readonly partRows?: number;
}

export interface Part {
  readonly id: DatasetId;
  readonly dataset: DatasetPath;
  readonly snapshot: Snapshot;
  readonly key: readonly string[];
  readonly from: number;
  /** Of a changelog: which of these rows hold at the snapshot, or what they have changed since the part before. */
  readonly of: "what holds" | "changes";
  /** What health views show. */
  readonly label: string;
}

type Take = (bytes: Uint8Array) => Promise<void>;
const counted = z.object({ rows: z.tuple([z.object({ n: z.int() })]) });

/** Reads a dataset's rows by offset as records of key and row, in parts whose bytes are bounded. */
export class EntryReader {
  readonly #options: ReaderOptions;
  #partRows: number;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#partRows = options.partRows ?? usualPartRows;
  }

  /**
   * Hands over the records of the next part, in order of offsets, in pieces that may end within one. What a changelog has
   * changed comes in whole commits: a key that one row gives up and another takes is never missing in between.
   * @returns the offset behind the part
   * @throws conflict where a column of the key is not there; data_expired; result_too_large where a commit of a changelog has
   * changed too much; errors of the worker
   */
  async read(part: Part, take: Take, signal: AbortSignal): Promise<number> {
    const isWhole = part.of === "changes" && entryColumns(part.snapshot.schema, part.key).isChangelog;
    const endOf = (rows: number) => (isWhole ? commitEnd(part, rows) : Math.min(part.from + rows, part.snapshot.rows));
    for (;;) {
      const to = endOf(this.#partRows);
      try {
        await this.#readTo(part, to, take, signal);
        return to;
      } catch (error) {
        // Nothing of it has been handed over.
        const isTooLarge = error instanceof MillraceError && error.code === "result_too_large";
        const fewer = Math.max(2, Math.floor((to - part.from) / 4));
        if (!isTooLarge || endOf(fewer) === to) throw error;
        this.#partRows = fewer;
      }
    }
  }

  async #readTo(part: Part, to: number, take: Take, signal: AbortSignal): Promise<void> {
    const { snapshot, key, from, of } = part;
    const columns = entryColumns(snapshot.schema, key);
    const own = { fromOffset: from, belowOffset: to };
    if (!columns.isChangelog)
      return await this.#over(part, [own], ([rows = ""]) => rowsSql(columns, rows), to - from, take, signal);
    if (of === "what holds") {
      const later = { fromOffset: from, belowOffset: snapshot.rows };
      const sql = ([rows = "", behind = ""]: readonly string[]) => holdingSql(columns, rows, behind);
      return await this.#over(part, [own, later], sql, null, take, signal);
    }
    const isLoose = await this.#counts(part, own, (changes) => looseKeysSql(columns, changes), signal);
    const all = isLoose ? [{ fromOffset: snapshot.expiredBefore, belowOffset: to }] : [];
    const sql = ([changes = "", before = null]: readonly (string | null)[]) =>
      changesSql(columns, changes ?? "", before);
    await this.#over(part, [own, ...all], sql, null, take, signal);
  }

  async #over(
    part: Part,
    bounds: readonly OffsetBounds[],
    sqlOf: (relations: readonly string[]) => string,
    rows: number | null,
    take: Take,
    signal: AbortSignal,
  ): Promise<void> {
    await using open = await this.#open(part, bounds, signal);
    await using result = await this.#query(part, sqlOf(open.relations), "entries", signal);
    if (rows !== null && result.rows !== rows)
      throw new MillraceError("internal", `Of the rows from ${part.from} on, ${result.rows} of ${rows} were found.`);
    await this.#hand(result, take, signal);
  }

  async #counts(
    part: Part,
    bounds: OffsetBounds,
    sqlOf: (changes: string) => string,
    signal: AbortSignal,
  ): Promise<boolean> {
    await using open = await this.#open(part, [bounds], signal);
    await using result = await this.#query(part, sqlOf(open.relations[0] ?? ""), "json", signal);
    if (result.body.kind !== "inline") throw new MillraceError("internal", "A count is longer than a count can be.");
    const [{ n }] = counted.parse(JSON.parse(Buffer.from(result.body.bytes).toString())).rows;
    return n > 0;
  }

  /** The rows between these offsets, as SQL over files that are held open. */
  async #open({ id, dataset, snapshot }: Part, bounds: readonly OffsetBounds[], signal: AbortSignal) {
    await using held = new AsyncDisposableStack();
    const relations: string[] = [];
    for (const one of bounds) {
      const slices = slicesWithin(snapshot, one);
      const { paths } = held.use(await this.#options.datasets.openSlices(id, slices, signal));
      relations.push(changesOf(dataset, snapshot, { slices, paths }, one));
    }
    const moved = held.move();
    return { relations, [Symbol.asyncDispose]: () => moved.disposeAsync() };
  }

  async #query({ key, label }: Part, sql: string, format: "entries" | "json", signal: AbortSignal) {
    const { engine, ids } = this.#options;
    const queryId = ids.uuid() as QueryId;
    const about = { queryId, traceId: ids.traceId(), label, parameters: [], rowLimit: null, byteLimit: partBytes };
    const keyColumns = format === "entries" ? { keyColumns: key.length } : {};
    return await engine.query({ ...about, sql, format, ...keyColumns }, signal);
  }

  async #hand({ body }: EngineResult, take: Take, signal: AbortSignal): Promise<void> {
    if (body.kind === "inline") return await take(body.bytes);
    await using file = await this.#options.disk.open(body.path, "read");
    for (let at = 0; at < body.sizeBytes; ) {
      signal.throwIfAborted();
      const bytes = await file.read(at, readBytes);
      if (bytes.length === 0) throw new MillraceError("internal", "A result is shorter than its worker has said.");
      await take(bytes);
      at += bytes.length;
    }
  }
}

/** The end of the last commit that ends within so many rows; of the first one, where it has more. Slices and copies end with commits. */
function commitEnd({ from, snapshot }: Part, rows: number): number {
  const ends = snapshot.slices
    .map(({ lastOffset }) => Math.min(lastOffset + 1, snapshot.rows))
    .filter((end) => end > from);
  return ends.findLast((end) => end <= from + rows) ?? ends[0] ?? snapshot.rows;
}

/** @throws internal where they do not hold every row in between */
function slicesWithin(snapshot: Snapshot, { fromOffset, belowOffset }: OffsetBounds): readonly LiveSlice[] {
  const slices = snapshot.slices.filter((one) => one.lastOffset >= fromOffset && one.firstOffset < belowOffset);
  let next = fromOffset;
  for (const { firstOffset, lastOffset } of slices) if (firstOffset <= next) next = Math.max(next, lastOffset + 1);
  if (next < belowOffset) throw new MillraceError("internal", `No slice holds the row at ${next}.`);
  return slices;
}
