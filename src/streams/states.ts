import path from "node:path";
import { z } from "zod";
import {
  type DatasetId,
  type Disk,
  type IdSource,
  MillraceError,
  type Telemetry,
  type TraceId,
} from "../base/index.ts";
import { datasetId } from "../datasets/index.ts";
import type { Engine } from "../engines/index.ts";
import type { Checkpoints } from "./checkpoints.ts";
import type { KeptGroups } from "./contract.ts";
import { dropPending, readLedger } from "./state-sql.ts";

/** Up to where the groups of a state are. */
export interface Ledger {
  /** Of which transform, and how its state is made. */
  readonly of: string;
  /** The newest SetTransform of the chain when it was begun. */
  readonly transformSeq: number;
  /** The derivative's block that the groups are as of. */
  readonly seq: number;
  /** By input: the first row that is not in the groups. */
  readonly read: ReadonlyMap<DatasetId, number>;
}

/** A state that runs work on. */
export interface KeptState {
  readonly path: string;
  readonly ledger: Ledger;
  /** What a run has left in it, for the block behind its own. */
  readonly left: (Ledger & { readonly isCommitted: boolean }) | null;
  readonly groups: number;
  readonly sizeBytes: number;
}

const count = z.int().min(0);
const ledgerShape = z.object({
  of: z.string(),
  transformSeq: count,
  seq: count,
  read: z.record(z.string().transform(datasetId), count),
});
const answer = z.tuple([z.array(z.object({ isReadable: z.boolean(), said: z.string() }))]);

/** What a ledger is written as. */
export function sayLedger({ read, ...ledger }: Ledger): string {
  return JSON.stringify({ ...ledger, read: Object.fromEntries(read) });
}

function readSaid(said: string): Ledger {
  const { read, ...ledger } = ledgerShape.parse(JSON.parse(said));
  return { ...ledger, read: new Map(Object.entries(read).map(([id, below]) => [datasetId(id), below])) };
}

export interface StatesOptions {
  readonly engine: Engine;
  readonly disk: Disk;
  readonly directory: string;
  readonly checkpoints: Checkpoints;
  readonly ids: IdSource;
  readonly telemetry: Telemetry;
}

/**
 * The states of derivatives on this server, a file each. A state is never the truth: its ledger says which block it is as of, and what is not of the chain's newest is
 * brought there, or thrown away and made again of the inputs' rows, from the newest checkpoint on. It knows blocks by their numbers.
 */
export class States {
  readonly #options: StatesOptions;
  readonly #known = new Map<DatasetId, KeptState>();
  /** Why none can be had, by the ledger that it would have begun with. */
  readonly #refused = new Map<DatasetId, { readonly of: string; readonly why: string }>();

  constructor(options: StatesOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    await this.#options.disk.makeDirectory(this.#options.directory);
  }

  /** Removes what lies there of other derivatives: they were deleted while this server was away. */
  async sweep(kept: Iterable<DatasetId>): Promise<void> {
    const { disk, directory } = this.#options;
    const files = new Set([...kept].map((id) => path.basename(this.#pathOf(id))));
    for (const { name } of await disk.list(directory))
      if (!files.has(name.replace(/\.wal$/, ""))) await disk.remove(path.join(directory, name));
  }

  /** The state that is there of a transform, on disk or as a checkpoint; null where none is. */
  async find(id: DatasetId, { of, transformSeq }: Pick<Ledger, "of" | "transformSeq">, signal: AbortSignal) {
    const isOf = (ledger: Ledger) => ledger.of === of && ledger.transformSeq === transformSeq;
    const known = this.#known.get(id) ?? (await this.#open(id, signal)) ?? (await this.#restore(id, isOf, signal));
    if (known === null) return null;
    if (isOf(known.ledger)) return known;
    await this.drop(id);
    return null;
  }

  /** Where a derivative's state is; nothing lies there yet. */
  async make(id: DatasetId): Promise<string> {
    await this.drop(id);
    return this.#pathOf(id);
  }

  /** What is known of a state from now on. */
  async keep(id: DatasetId, state: Omit<KeptState, "sizeBytes">): Promise<void> {
    const stat = await this.#options.disk.stat(state.path);
    this.#known.set(id, { ...state, sizeBytes: stat?.sizeBytes ?? 0 });
  }

  /** The run that left something in the state has made this block, or none. */
  committed(id: DatasetId, isCommitted: boolean): void {
    const known = this.#known.get(id);
    if (known?.left == null) return;
    this.#known.set(id, { ...known, left: isCommitted ? { ...known.left, isCommitted } : null });
  }

  /** Stores what is there of a state, where the newest checkpoint is old enough. */
  async checkpoint(id: DatasetId): Promise<void> {
    const known = this.#known.get(id);
    try {
      if (known !== undefined) await this.#options.checkpoints.store(id, known);
    } catch (error) {
      // The run has been committed, and without a checkpoint nothing is lost.
      this.#options.telemetry.log.warn("a transform's state was not copied to the object store", {
        datasetId: id,
        error,
      });
    }
  }

  /** Throws a state away. */
  async drop(id: DatasetId): Promise<void> {
    this.#known.delete(id);
    for (const suffix of ["", ".wal"]) await this.#options.disk.remove(this.#pathOf(id) + suffix);
  }

  /** Throws away all of a derivative that is no more. */
  async forget(id: DatasetId): Promise<void> {
    await this.drop(id);
    this.#refused.delete(id);
    await this.#options.checkpoints.forget(id);
  }

  refuse(id: DatasetId, of: string, why: string): void {
    this.#refused.set(id, { of, why });
  }

  /** Why a derivative has no state here, though its SELECT could have one; null where it may have. */
  refused(id: DatasetId, of: string): string | null {
    const refused = this.#refused.get(id);
    return refused?.of === of ? refused.why : null;
  }

  /** What is kept of a derivative's groups now. */
  groupsOf(id: DatasetId): KeptGroups {
    const known = this.#known.get(id);
    if (known !== undefined) return { kept: true, count: known.groups, sizeBytes: known.sizeBytes };
    return { kept: false, whyNot: this.#refused.get(id)?.why ?? "no run of this server has needed them yet" };
  }

  async #restore(id: DatasetId, isOf: (ledger: Ledger) => boolean, signal: AbortSignal): Promise<KeptState | null> {
    const restored = await this.#options.checkpoints.restore(id, this.#pathOf(id), signal);
    const state = restored ? await this.#open(id, signal) : null;
    if (state === null || isOf(state.ledger)) return state;
    await this.drop(id);
    return null;
  }

  async #open(id: DatasetId, signal: AbortSignal): Promise<KeptState | null> {
    const { disk, engine, ids, telemetry } = this.#options;
    const file = this.#pathOf(id);
    const stat = await disk.stat(file);
    if (stat === null) return null;
    try {
      const read = [{ sql: readLedger, rows: true }, ...dropPending.map((sql) => ({ sql }))];
      const about = { traceId: ids.uuid() as TraceId, label: "a transform's state", role: "compute" as const };
      const [rows] = await engine.script({ ...about, attach: file, statements: read }, signal);
      const [[found]] = answer.parse([rows]);
      if (found?.isReadable !== true) return await this.#dropUnreadable(id);
      const state = { path: file, ledger: readSaid(found.said), left: null, groups: 0, sizeBytes: stat.sizeBytes };
      this.#known.set(id, state);
      return state;
    } catch (error) {
      if (signal.aborted) throw error;
      // Torn by a crash, or of another version: it is made again.
      telemetry.log.warn("a transform's state cannot be read; it is made anew", { datasetId: id, error });
      return await this.#dropUnreadable(id);
    }
  }

  async #dropUnreadable(id: DatasetId): Promise<null> {
    await this.drop(id);
    return null;
  }

  #pathOf(id: DatasetId): string {
    return path.join(this.#options.directory, `${id.replaceAll(":", "_")}.duckdb`);
  }
}

export function isMillraceError(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof MillraceError && codes.includes(error.code);
}
