import type { DatasetId, Instant } from "../../base/index.ts";
import type { DataSchema, Multihash } from "../../slices/index.ts";
import { type ColumnStatistics, LiveSlices, type SliceObject } from "../layout/live-slices.ts";
import type { AddData, ExecuteTransform, MetadataBlock, SourceState } from "../odf/index.ts";
import type { Tip } from "../rules/index.ts";
import { type QuarantineSlice, readNotes } from "./extra.ts";
import { DatasetKeys } from "./keys.ts";
import { follow, noBlock } from "./tip.ts";

/** Rows that could not be read, in an object of their own. */
export interface QuarantineRef extends SliceObject {
  readonly seq: number;
  readonly rows: number;
  readonly sizeBytes: number;
}

interface Link {
  readonly hash: Multihash;
  readonly systemTime: Instant;
  readonly watermark: Instant | null;
  readonly nextOffset: number;
}

/** About what the parts of a chain take in memory. */
const weights = { link: 250, schema: 2_000 } as const;

/**
 * What a chain says, folded from its blocks in order. It only grows: what was read of it stays true, so readers keep the
 * lengths they saw. It may grow whenever its holder waits: who builds on it takes its `tip`, which stays.
 */
export class Chain {
  readonly links: Link[] = [];
  readonly quarantines: QuarantineRef[] = [];
  readonly schemas: { readonly seq: number; readonly schema: DataSchema }[] = [];
  readonly #sourceStates = new Map<string, SourceState>();
  readonly #keys: DatasetKeys;
  #tip: Tip;
  #slices = LiveSlices.none;
  #bytes = 0;
  #quarantined = 0;
  #weightBytes = 0;

  constructor(id: DatasetId) {
    this.#keys = new DatasetKeys(id);
    this.#tip = noBlock(id);
  }

  get tip(): Tip {
    return this.#tip;
  }

  /** Sequence number of the newest block; -1 before the first. */
  get seq(): number {
    return this.#tip.seq;
  }

  /** The files that hold its rows, as an unchanging value. */
  get slices(): LiveSlices {
    return this.#slices;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get quarantined(): number {
    return this.#quarantined;
  }

  /** About how much memory it takes. */
  get weightBytes(): number {
    return this.#weightBytes + this.#slices.weightBytes;
  }

  /** How many rows there were behind a block. */
  rowsAt(seq: number): number {
    return this.links[seq]?.nextOffset ?? 0;
  }

  sourceState(name: string): SourceState | null {
    return this.#sourceStates.get(name) ?? null;
  }

  /** Adds the next block. @throws chain_broken where it breaks a rule; the chain is then as before */
  append(hash: Multihash, block: MetadataBlock, statistics: readonly ColumnStatistics[] | null): void {
    const { event } = block;
    const notes = event.kind === "AddData" ? readNotes(event) : null;
    this.#tip = follow(this.#tip, hash, block);
    if (event.kind === "SetDataSchema") {
      this.schemas.push({ seq: block.sequenceNumber, schema: event.schema });
      this.#weightBytes += weights.schema;
    }
    if (event.kind === "AddData" || event.kind === "ExecuteTransform") this.#addSlice(block, event, statistics);
    if (notes?.quarantine !== undefined) this.#addQuarantine(block.sequenceNumber, notes.quarantine);
    if (event.kind === "AddData" && event.newSourceState !== undefined) this.#setSourceState(event.newSourceState);
    this.links.push({
      hash,
      systemTime: block.systemTime,
      watermark: this.#tip.watermark,
      nextOffset: this.#tip.nextOffset,
    });
    this.#weightBytes += weights.link;
  }

  #addSlice(
    { sequenceNumber: seq, systemTime }: MetadataBlock,
    { newData }: AddData | ExecuteTransform,
    statistics: readonly ColumnStatistics[] | null,
  ): void {
    if (newData === undefined) return;
    const { offsetInterval, physicalHash, size } = newData;
    this.#slices = this.#slices.append({
      kind: "data",
      hash: physicalHash,
      key: this.#keys.data(physicalHash),
      firstSeq: seq,
      lastSeq: seq,
      firstOffset: offsetInterval.start,
      lastOffset: offsetInterval.end,
      sizeBytes: size,
      systemTime,
      statistics,
      schemaVersion: this.schemas.length,
    });
    this.#bytes += size;
  }

  #addQuarantine(seq: number, { physicalHash: hash, rows, size: sizeBytes }: QuarantineSlice): void {
    this.quarantines.push({ seq, hash, key: this.#keys.quarantine(hash), rows, sizeBytes });
    this.#quarantined += rows;
    this.#weightBytes += weights.link;
  }

  #setSourceState(state: SourceState): void {
    if (!this.#sourceStates.has(state.sourceName)) this.#weightBytes += weights.link;
    this.#sourceStates.set(state.sourceName, state);
  }
}
