import { MillraceError } from "../../base/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import type { Broken } from "../layout/broken-parts.ts";
import { expiredBefore } from "../layout/expiry.ts";
import type { LayoutKeys } from "../layout/layout-keys.ts";
import type { LiveSlice } from "../layout/live-slices.ts";
import type { RegionManifest } from "../layout/manifest.ts";
import type { Original } from "../layout/originals.ts";
import { proofProblem } from "../layout/proof.ts";
import type { Regions } from "../layout/region.ts";
import { RegionStore } from "../layout/region-store.ts";
import type { CopyWorker, LaidOut } from "../layout/work.ts";
import { physicalProblem } from "./bytes.ts";

/** Slices that are proven in one pass over their copy. */
const mostAtOnce = 1_024;

export interface SupersededOptions {
  readonly store: ObjectStore;
  readonly keys: LayoutKeys;
  readonly regions: Regions;
  readonly newest: number;
  readonly schemas: LaidOut["schemas"];
  /** null where copies cannot be read here. */
  readonly worker: CopyWorker | null;
  readonly level: "physical" | "logical";
  readonly signal: AbortSignal;
}

/**
 * Slices whose objects are gone, in the order of the chain: their rows are proven from the copy that stands for them, or they have
 * expired.
 */
export class SupersededSlices {
  readonly #options: SupersededOptions;
  readonly #regions: RegionStore;
  #expired: number | null = null;
  #manifest: RegionManifest | null = null;
  #file: LiveSlice | null = null;
  #waiting: Original[] = [];
  #proven = 0;
  #expiredSlices = 0;

  constructor(options: SupersededOptions) {
    this.#options = options;
    this.#regions = new RegionStore(options.store, options.keys, options.regions);
  }

  get proven(): number {
    return this.#proven;
  }

  get expired(): number {
    return this.#expiredSlices;
  }

  /** What is broken of the slices before this one, or of this one; null where nothing is yet. */
  async add(original: Original): Promise<Broken | null> {
    const { store, keys, signal } = this.#options;
    this.#expired ??= await expiredBefore(store, keys, signal);
    if (original.lastOffset < this.#expired) {
      this.#expiredSlices++;
      return null;
    }
    const held = this.#file;
    if (held !== null && original.lastOffset <= held.lastOffset && this.#waiting.length < mostAtOnce) {
      this.#waiting.push(original);
      return null;
    }
    return (await this.finish()) ?? (await this.#begin(original));
  }

  /** Proves what waits. */
  async finish(): Promise<Broken | null> {
    const [file, waiting] = [this.#file, this.#waiting];
    this.#waiting = [];
    if (file === null || waiting.length === 0) return null;
    this.#options.signal.throwIfAborted();
    const reason = this.#options.level === "logical" ? await this.#problem(file, waiting) : null;
    if (reason !== null) return { object: file.key, reason };
    this.#proven += waiting.length;
    return null;
  }

  async #begin(original: Original): Promise<Broken | null> {
    const { store, keys, newest, signal } = this.#options;
    const known = this.#manifest;
    if (known === null || original.seq > known.lastSeq)
      this.#manifest = await this.#regions.highest(original.seq, newest, signal);
    const file = this.#manifest?.files.find(
      ({ kind, firstOffset, lastOffset }) =>
        kind === "copy" && firstOffset <= original.firstOffset && original.lastOffset <= lastOffset,
    );
    if (file === undefined)
      return { object: keys.data(original.hash), reason: "it is missing, and no copy stands for it" };
    const { key, hash, sizeBytes } = file;
    const reason = file === this.#file ? null : await physicalProblem(store, { object: key, hash, sizeBytes }, signal);
    if (reason !== null) return { object: key, reason };
    this.#file = file;
    this.#waiting = [original];
    return null;
  }

  async #problem(file: LiveSlice, waiting: readonly Original[]): Promise<string | null> {
    const { store, schemas, worker, signal } = this.#options;
    if (worker === null) throw new MillraceError("unavailable", "Copies cannot be read here.");
    await using local = await store.local(file.key, signal);
    return local === null
      ? "it is missing"
      : await proofProblem(worker, schemas, { file, path: local.path }, waiting, signal);
  }
}
