import type { DatasetId } from "../../base/index.ts";
import type { DataSchema, Multihash } from "../../slices/index.ts";
import { type ColumnStatistics, LiveSlices, type SliceObject } from "../layout/live-slices.ts";
import type { AddData, ExecuteTransform, MetadataBlock, SourceState } from "../odf/index.ts";
import { advance, type Milestone, start } from "../packs/milestone.ts";
import type { Tip } from "../rules/index.ts";
import { readNotes } from "./extra.ts";
import { DatasetKeys } from "./keys.ts";
import { follow, noBlock } from "./tip.ts";

/** Rows that could not be read, in an object of their own. */
export interface QuarantineRef extends SliceObject {
  readonly seq: number;
  readonly rows: number;
  readonly sizeBytes: number;
}

export interface SetSchema {
  readonly seq: number;
  readonly schema: DataSchema;
}

/** All that a chain is going on from at one of its blocks: as much as a checkpoint keeps. */
export interface ChainState {
  readonly tip: Tip;
  readonly milestone: Milestone;
  readonly schemas: readonly SetSchema[];
  readonly sourceStates: readonly SourceState[];
  readonly slices: LiveSlices;
  /** Of the blocks from `quarantinesFrom` on; those before are in the packs. */
  readonly quarantines: readonly QuarantineRef[];
  readonly quarantinesFrom: number;
}

/** About what the parts of a chain take in memory. */
const weights = { milestone: 350, quarantine: 350, source: 250, schema: 2_000 } as const;
/** Milestones kept of the newest blocks: as many as this at least, twice as many at most. */
const tailBlocks = 1_024;

/**
 * What a chain says at its newest block, folded from its blocks in order, and milestones of the last ones; its history is
 * read when somebody asks for it. What was taken of it stays as it was. It may grow whenever its holder waits: who builds on it
 * takes its `tip`, which stays.
 */
export class Chain {
  readonly #keys: DatasetKeys;
  readonly #sourceStates = new Map<string, SourceState>();
  #tip: Tip;
  #schemas: readonly SetSchema[] = [];
  #slices = LiveSlices.none;
  #expiredBefore = 0;
  #quarantines: readonly QuarantineRef[] = [];
  #quarantinesFrom = 0;
  #milestone: Milestone = start;
  #tail: Milestone[] = [];
  #restoredSeq = -1;
  #restoredSlices = 0;

  constructor(id: DatasetId) {
    this.#tip = noBlock(id);
    this.#keys = new DatasetKeys(id);
  }

  /** Goes on from a state that was kept. */
  static restore(id: DatasetId, state: ChainState): Chain {
    const chain = new Chain(id);
    chain.#tip = state.tip;
    chain.#milestone = state.milestone;
    chain.#tail = [state.milestone];
    chain.#restoredSeq = state.tip.seq;
    chain.#restoredSlices = state.slices.length;
    chain.#schemas = state.schemas;
    chain.#slices = state.slices;
    chain.#quarantines = state.quarantines;
    chain.#quarantinesFrom = state.quarantinesFrom;
    for (const source of state.sourceStates) chain.#sourceStates.set(source.sourceName, source);
    return chain;
  }

  get state(): ChainState {
    return {
      tip: this.#tip,
      milestone: this.#milestone,
      schemas: this.#schemas,
      sourceStates: [...this.#sourceStates.values()],
      slices: this.#slices,
      quarantines: this.#quarantines,
      quarantinesFrom: this.#quarantinesFrom,
    };
  }

  get tip(): Tip {
    return this.#tip;
  }

  /** Sequence number of the newest block; -1 before the first. */
  get seq(): number {
    return this.#tip.seq;
  }

  /** The block behind which the state was kept that it was restored from; -1 where it was folded from its first block. */
  get restoredSeq(): number {
    return this.#restoredSeq;
  }

  /** How many files that state lists. */
  get restoredSlices(): number {
    return this.#restoredSlices;
  }

  get milestone(): Milestone {
    return this.#milestone;
  }

  /** Those of the newest blocks, in order and without a gap. */
  get tail(): readonly Milestone[] {
    return this.#tail;
  }

  get schemas(): readonly SetSchema[] {
    return this.#schemas;
  }

  /** The files that hold its rows. */
  get slices(): LiveSlices {
    return this.#slices;
  }

  get quarantines(): readonly QuarantineRef[] {
    return this.#quarantines;
  }

  /** Quarantined rows of blocks before this one are listed by the packs alone. */
  get quarantinesFrom(): number {
    return this.#quarantinesFrom;
  }

  /** About how much memory it takes. */
  get weightBytes(): number {
    return (
      this.#slices.weightBytes +
      this.#tail.length * weights.milestone +
      this.#quarantines.length * weights.quarantine +
      this.#sourceStates.size * weights.source +
      this.#schemas.length * weights.schema
    );
  }

  sourceState(name: string): SourceState | null {
    return this.#sourceStates.get(name) ?? null;
  }

  /** Adds the next block. @throws chain_broken where it breaks a rule; the chain is then as before */
  append(hash: Multihash, block: MetadataBlock, statistics: readonly ColumnStatistics[] | null): void {
    const { event } = block;
    const milestone = advance(this.#milestone, hash, block);
    this.#tip = follow(this.#tip, hash, block);
    this.#milestone = milestone;
    if (this.#tail.length >= 2 * tailBlocks) this.#tail = this.#tail.slice(-tailBlocks);
    this.#tail.push(milestone);
    if (event.kind === "SetDataSchema")
      this.#schemas = [...this.#schemas, { seq: block.sequenceNumber, schema: event.schema }];
    if (event.kind === "AddData" || event.kind === "ExecuteTransform") this.#addSlice(block, event, statistics);
    if (event.kind === "AddData") this.#addNotes(block.sequenceNumber, event);
  }

  /** Reads rows from these files from now on, where they stand for what is there. @returns whether they do */
  replaceSlices(files: Parameters<LiveSlices["replace"]>[0]): boolean {
    const before = this.#slices;
    this.#slices = before.replace(files, this.#expiredBefore).from(this.#expiredBefore);
    return this.#slices !== before;
  }

  /** Offsets below this one have expired. */
  get expiredBefore(): number {
    return this.#expiredBefore;
  }

  /** Rows below the offset are read no more. */
  expire(offset: number): void {
    this.#expiredBefore = Math.max(this.#expiredBefore, offset);
    this.#slices = this.#slices.from(this.#expiredBefore);
  }

  /** Drops what packs list: quarantined rows below a floor. */
  forgetQuarantines(floor: number): void {
    if (floor <= this.#quarantinesFrom) return;
    this.#quarantinesFrom = floor;
    this.#quarantines = this.#quarantines.filter(({ seq }) => seq >= floor);
  }

  #addSlice(
    { sequenceNumber: seq, systemTime }: MetadataBlock,
    { newData }: AddData | ExecuteTransform,
    statistics: readonly ColumnStatistics[] | null,
  ): void {
    if (newData === undefined || newData.offsetInterval.end < this.#expiredBefore) return;
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
      schemaVersion: this.#schemas.length,
    });
  }

  #addNotes(seq: number, event: AddData): void {
    const { quarantine } = readNotes(event);
    // Another server may have packed this region before this chain had come so far: then the pack lists it.
    if (quarantine !== undefined && seq >= this.#quarantinesFrom) {
      const { physicalHash: hash, rows, size: sizeBytes } = quarantine;
      this.#quarantines = [...this.#quarantines, { seq, hash, key: this.#keys.quarantine(hash), rows, sizeBytes }];
    }
    if (event.newSourceState !== undefined)
      this.#sourceStates.set(event.newSourceState.sourceName, event.newSourceState);
  }
}
