import type { Instant } from "../../base/index.ts";
import type { DataSchema, Multihash } from "../../slices/index.ts";
import type { MetadataBlock, SourceState } from "../odf/index.ts";
import { checkRules } from "../rules/index.ts";
import { readNotes } from "./extra.ts";

/** A column of a slice as pruning sees it; minimum and maximum as DuckDB writes the value. */
export interface ColumnStatistics {
  readonly column: string;
  readonly type: string;
  readonly nullCount: number | null;
  readonly min: string | null;
  readonly max: string | null;
}

export interface SliceRef {
  readonly seq: number;
  readonly hash: Multihash;
  readonly logicalHash: Multihash;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly sizeBytes: number;
  readonly systemTime: Instant;
  /** null where they are not known: such a slice is never pruned. */
  readonly statistics: readonly ColumnStatistics[] | null;
  /** How many schemas of the dataset came before this slice was written: slices with the same one share their columns. */
  readonly schemaVersion: number;
}

export interface QuarantineRef {
  readonly seq: number;
  readonly hash: Multihash;
  readonly rows: number;
  readonly sizeBytes: number;
}

interface Link {
  readonly hash: Multihash;
  readonly systemTime: Instant;
  readonly kind: string;
  readonly watermark: Instant | null;
}

/**
 * What a chain says, folded from its blocks in order. It only grows: what was read of it stays true, so readers keep the
 * lengths they saw. One object a dataset and process.
 */
export class Chain {
  readonly links: Link[] = [];
  readonly slices: SliceRef[] = [];
  readonly quarantines: QuarantineRef[] = [];
  readonly schemas: { readonly seq: number; readonly schema: DataSchema }[] = [];
  readonly #sourceStates = new Map<string, SourceState>();
  #watermark: Instant | null = null;
  #nextOffset = 0;
  #bytes = 0;
  #quarantined = 0;

  /** Sequence number of the newest block; -1 before the first. */
  get seq(): number {
    return this.links.length - 1;
  }

  get head(): Multihash | null {
    return this.links.at(-1)?.hash ?? null;
  }

  get systemTime(): Instant | null {
    return this.links.at(-1)?.systemTime ?? null;
  }

  get schema(): DataSchema | null {
    return this.schemas.at(-1)?.schema ?? null;
  }

  get watermark(): Instant | null {
    return this.#watermark;
  }

  /** Also the number of rows ever added. */
  get nextOffset(): number {
    return this.#nextOffset;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get quarantined(): number {
    return this.#quarantined;
  }

  sourceState(name: string): SourceState | null {
    return this.#sourceStates.get(name) ?? null;
  }

  /** Adds the next block. @throws chain_broken where it breaks a rule; the chain is then as before */
  append(hash: Multihash, block: MetadataBlock, statistics: readonly ColumnStatistics[] | null): void {
    checkRules(this, block);
    const { event, systemTime } = block;
    const seq = block.sequenceNumber;
    if (event.kind === "SetDataSchema") this.schemas.push({ seq, schema: event.schema });
    if (event.kind === "AddData" || event.kind === "ExecuteTransform") {
      if (event.newData !== undefined) {
        const { offsetInterval, physicalHash, logicalHash, size } = event.newData;
        this.slices.push({
          seq,
          hash: physicalHash,
          logicalHash,
          firstOffset: offsetInterval.start,
          lastOffset: offsetInterval.end,
          sizeBytes: size,
          systemTime,
          statistics,
          schemaVersion: this.schemas.length,
        });
        this.#nextOffset = offsetInterval.end + 1;
        this.#bytes += size;
      }
      if (event.newWatermark !== undefined) this.#watermark = event.newWatermark;
    }
    if (event.kind === "AddData") {
      const { quarantine } = readNotes(event);
      if (quarantine !== undefined) {
        this.quarantines.push({
          seq,
          hash: quarantine.physicalHash,
          rows: quarantine.rows,
          sizeBytes: quarantine.size,
        });
        this.#quarantined += quarantine.rows;
      }
      if (event.newSourceState !== undefined)
        this.#sourceStates.set(event.newSourceState.sourceName, event.newSourceState);
    }
    this.links.push({ hash, systemTime, kind: event.kind, watermark: this.#watermark });
  }
}
