import { z } from "zod";
import type { Instant } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";

/** A column of a slice as pruning sees it; minimum and maximum as DuckDB writes the value. */
export interface ColumnStatistics {
  readonly column: string;
  readonly type: string;
  readonly nullCount: number | null;
  readonly min: string | null;
  readonly max: string | null;
}

export const statisticsShape: z.ZodType<readonly ColumnStatistics[]> = z.array(
  z.object({
    column: z.string(),
    type: z.string(),
    nullCount: z.number().nullable(),
    min: z.string().nullable(),
    max: z.string().nullable(),
  }),
);

/** A file of rows as it lies in the object store. */
export interface SliceObject {
  readonly hash: Multihash;
  readonly key: string;
}

/** A file that rows are read from: an original slice, or a copy that holds the rows of several. */
export interface LiveSlice extends SliceObject {
  readonly kind: "data" | "copy";
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly sizeBytes: number;
  /** Of its last commit. */
  readonly systemTime: Instant;
  /** null where they are not known: such a slice is never pruned. */
  readonly statistics: readonly ColumnStatistics[] | null;
  /** How many schemas of the dataset came before its rows were written: slices with the same one share their columns. */
  readonly schemaVersion: number;
}

/** About what a slice takes in memory. */
const weights = { slice: 500, column: 200 } as const;

/**
 * The files that hold a dataset's rows, in order of offsets and without a gap. A value: `append` and `replace` make another
 * one, and who holds this one reads on from it. All made by `append` share one array, of which each sees its own length.
 */
export class LiveSlices {
  static readonly none = new LiveSlices([], 0, 0, 0);

  readonly #items: LiveSlice[];
  readonly length: number;
  readonly sizeBytes: number;
  /** About how much memory they take. */
  readonly weightBytes: number;
  #all: readonly LiveSlice[] | null = null;

  private constructor(items: LiveSlice[], length: number, sizeBytes: number, weightBytes: number) {
    this.#items = items;
    this.length = length;
    this.sizeBytes = sizeBytes;
    this.weightBytes = weightBytes;
  }

  static of(slices: Iterable<LiveSlice>): LiveSlices {
    const items = [...slices];
    return new LiveSlices(
      items,
      items.length,
      sum(items, (one) => one.sizeBytes),
      sum(items, weightOf),
    );
  }

  get all(): readonly LiveSlice[] {
    this.#all ??= this.#items.slice(0, this.length);
    return this.#all;
  }

  /** Behind the last offset. */
  get nextOffset(): number {
    const last = this.#items[this.length - 1];
    return last === undefined ? 0 : last.lastOffset + 1;
  }

  /** The same where a file that stands for it is there already, as in a copy of a dataset elsewhere. */
  append(slice: LiveSlice): LiveSlices {
    if (slice.lastOffset < this.nextOffset) return this;
    // Another value may have grown the array already: its continuation is not ours.
    const items = this.#items.length === this.length && this !== LiveSlices.none ? this.#items : [...this.all];
    items.push(slice);
    return new LiveSlices(items, items.length, this.sizeBytes + slice.sizeBytes, this.weightBytes + weightOf(slice));
  }

  /**
   * With these files in the place of those that hold their offsets now; they may reach further than the rows known here, which
   * are then in them when they come. Where the ends of both do not meet (a slice reaches across, or rows between are not known)
   * nothing is replaced. Rows below `expiredBefore` have expired: neither side need hold them.
   */
  replace(files: readonly LiveSlice[], expiredBefore = 0): LiveSlices {
    const [first, last] = [files[0], files.at(-1)];
    if (first === undefined || last === undefined) return this;
    const begins = this.all[0]?.firstOffset ?? expiredBefore;
    const isLower = first.firstOffset < begins;
    const from = isLower ? 0 : first.firstOffset === this.#end(begins) ? this.length : this.indexOf(first.firstOffset);
    const isHigher = last.lastOffset >= this.nextOffset;
    const to = isHigher ? this.length - 1 : this.indexOf(last.lastOffset);
    const meetsFirst = isLower || from === this.length || this.all[from]?.firstOffset === first.firstOffset;
    const meetsLast = isHigher || (to >= from && this.all[to]?.lastOffset === last.lastOffset);
    if (!meetsFirst || !meetsLast || last.lastOffset < begins) return this;
    return LiveSlices.of([...this.all.slice(0, from), ...files, ...this.all.slice(to + 1)]);
  }

  /** Behind the last offset, or where it begins without a file. */
  #end(begins: number): number {
    return this.length === 0 ? begins : this.nextOffset;
  }

  /** Those with rows below an offset; the last one may reach beyond it. */
  below(offset: number): readonly LiveSlice[] {
    return offset >= this.nextOffset ? this.all : this.all.slice(0, this.#countBefore(offset));
  }

  /** Without the files of rows below an offset; the first one may hold some of them. */
  from(offset: number): LiveSlices {
    const [first] = this.all;
    return first === undefined || first.lastOffset >= offset
      ? this
      : LiveSlices.of(this.all.filter((slice) => slice.lastOffset >= offset));
  }

  /** Where the slice stands that holds an offset, or -1. */
  indexOf(offset: number): number {
    return offset < this.nextOffset ? this.#countBefore(offset + 1) - 1 : -1;
  }

  /** How many begin before an offset. */
  #countBefore(offset: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#items[middle]?.firstOffset ?? offset) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function weightOf(slice: LiveSlice): number {
  return weights.slice + weights.column * (slice.statistics?.length ?? 0);
}

function sum(slices: readonly LiveSlice[], of: (slice: LiveSlice) => number): number {
  return slices.reduce((total, slice) => total + of(slice), 0);
}
