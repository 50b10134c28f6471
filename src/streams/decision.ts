import { z } from "zod";
import { type DatasetId, type Instant, instant, MillraceError } from "../base/index.ts";
import { datasetId } from "../datasets/index.ts";
import { type Multihash, multihash } from "../slices/index.ts";
import type { ObjectStore } from "../storage/index.ts";

/** The rows that a run reads of one input: those behind `fromOffset`, up to where the input's block `seq` ends. */
export interface DecidedInput {
  readonly datasetId: DatasetId;
  /** The block up to which runs have read; null before the first. */
  readonly readBlock: Multihash | null;
  readonly block: Multihash;
  readonly seq: number;
  /** The first row, and the one behind the last. */
  readonly fromOffset: number;
  readonly belowOffset: number;
}

/**
 * What a run will do, durable before it does it: its rows are a function of this. Two processes that race for one run find
 * one decision, make the same rows, and commit once.
 */
export interface Decision {
  /** The derivative's newest block when it was decided; the run's block comes behind it. */
  readonly behindSeq: number;
  readonly planHash: string;
  /** The run's clock: what now() says, and the system time of its rows. */
  readonly clock: Instant;
  readonly inputs: readonly DecidedInput[];
  /** The watermark that it moves to, where the clock has a say in that; else the inputs' blocks tell. */
  readonly watermark?: Instant | null;
}

const hash = z.string().transform(multihash);
const count = z.int().min(0);
const shape = z.object({
  behindSeq: count,
  planHash: z.string(),
  clock: z.number().transform(instant),
  watermark: z.number().transform(instant).nullable().exactOptional(),
  inputs: z.array(
    z.object({
      datasetId: z.string().transform(datasetId),
      readBlock: hash.nullable(),
      block: hash,
      seq: count,
      fromOffset: count,
      belowOffset: count,
    }),
  ),
});

const prefixOf = (id: DatasetId) => `transforms/${id.replaceAll(":", "_")}/decisions/`;
const keyOf = (id: DatasetId, behindSeq: number) => `${prefixOf(id)}${String(behindSeq).padStart(12, "0")}`;

/** Decisions of runs that have not been committed yet, in the object store. */
export class Decisions {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** Makes the decision durable, and gives the one that holds: another's, where that was first. */
  async decide(id: DatasetId, decision: Decision): Promise<Decision> {
    const key = keyOf(id, decision.behindSeq);
    const made = await this.#store.putIfAbsent(key, new TextEncoder().encode(JSON.stringify(decision)));
    return made === "created" ? decision : ((await this.find(id, decision.behindSeq)) ?? decision);
  }

  /** The decision behind a block, where one was made. */
  async find(id: DatasetId, behindSeq: number): Promise<Decision | null> {
    const bytes = await this.#store.get(keyOf(id, behindSeq));
    if (bytes === null) return null;
    const parsed = shape.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    if (parsed.success) return parsed.data;
    throw new MillraceError("unsupported_version", "The decision of a transform's run cannot be read.", {
      cause: parsed.error,
      hint: "It was written by another version; run the newer one.",
    });
  }

  /** Forgets decisions that are committed or overtaken: all behind blocks before this one. */
  async forget(id: DatasetId, beforeSeq: number): Promise<void> {
    const end = keyOf(id, beforeSeq);
    for await (const { key } of this.#store.list(prefixOf(id))) {
      if (key >= end) return;
      await this.#store.delete(key);
    }
  }

  /** Forgets all of a dataset that is deleted. */
  async forgetAll(id: DatasetId): Promise<void> {
    for await (const { key } of this.#store.list(prefixOf(id))) await this.#store.delete(key);
  }
}
