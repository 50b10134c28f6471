import {
  type DatasetId,
  type DatasetPath,
  type Disk,
  type IdSource,
  MillraceError,
  type QueryId,
} from "../../base/index.ts";
import {
  changesOf,
  type Datasets,
  type OffsetBounds,
  type RelationFiles,
  type Snapshot,
} from "../../datasets/index.ts";
import type { Engine } from "../../engines/index.ts";
import { userColumns } from "../../slices/index.ts";

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
  /** What health views show. */
  readonly label: string;
}

/** Reads a dataset's rows by offset as records of key and row, in parts whose bytes are bounded. */
export class EntryReader {
  readonly #options: ReaderOptions;
  #partRows: number;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#partRows = options.partRows ?? usualPartRows;
  }

  /**
   * Hands over the records of the next part, in order of offsets, in pieces that may end within one.
   * @returns the offset behind the part
   * @throws conflict where a column of the key is not there; data_expired, errors of the worker
   */
  async read(part: Part, take: (bytes: Uint8Array) => Promise<void>, signal: AbortSignal): Promise<number> {
    for (;;) {
      const to = Math.min(part.from + this.#partRows, part.snapshot.rows);
      try {
        await this.#readTo(part, to, take, signal);
        return to;
      } catch (error) {
        // Nothing of it has been handed over.
        const isTooLarge = error instanceof MillraceError && error.code === "result_too_large";
        if (!isTooLarge || to - part.from <= 2) throw error;
        this.#partRows = Math.max(2, Math.floor((to - part.from) / 4));
      }
    }
  }

  async #readTo(
    part: Part,
    to: number,
    take: (bytes: Uint8Array) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { datasets, engine, disk, ids } = this.#options;
    const { id, snapshot, key, from, label } = part;
    const slices = snapshot.slices.filter((slice) => slice.lastOffset >= from && slice.firstOffset < to);
    await using open = await datasets.openSlices(id, slices, signal);
    await using result = await engine.query(
      {
        queryId: ids.uuid() as QueryId,
        traceId: ids.traceId(),
        label,
        sql: entriesSql(part, { slices, paths: open.paths }, { fromOffset: from, belowOffset: to }),
        parameters: [],
        format: "entries",
        keyColumns: key.length,
        rowLimit: null,
        byteLimit: partBytes,
      },
      signal,
    );
    if (result.rows !== to - from)
      throw new MillraceError("internal", `Of the rows from ${from} to ${to}, ${result.rows} were found.`);
    if (result.body.kind === "inline") return await take(result.body.bytes);
    await using file = await disk.open(result.body.path, "read");
    for (let at = 0; at < result.body.sizeBytes; ) {
      signal.throwIfAborted();
      const bytes = await file.read(at, readBytes);
      if (bytes.length === 0) throw new MillraceError("internal", "A result is shorter than its worker has said.");
      await take(bytes);
      at += bytes.length;
    }
  }
}

/** @throws conflict */
function entriesSql({ dataset, snapshot, key }: Part, files: RelationFiles, bounds: OffsetBounds): string {
  const relation = changesOf(dataset, snapshot, files, bounds);
  const names = snapshot.schema === null ? [] : userColumns(snapshot.schema).map(({ name }) => name);
  const keys = key.map((wanted) => {
    const found = names.find((name) => name.toLowerCase() === wanted.toLowerCase());
    if (found !== undefined) return found;
    throw new MillraceError("conflict", `Its dataset has no column "${wanted}".`, {
      hint: "It is loaded as soon as rows with that column have come.",
    });
  });
  const columns = [...names.map(quoted), `CAST("op" AS INTEGER)`, ...keys.map(quoted)];
  return `SELECT ${columns.join(", ")} FROM (${relation}) ORDER BY "offset"`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
