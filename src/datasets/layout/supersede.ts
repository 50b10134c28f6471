import { MillraceError } from "../../base/index.ts";
import { type Broken, BrokenParts } from "./broken-parts.ts";
import { expiredBefore } from "./expiry.ts";
import { LayoutKeys } from "./layout-keys.ts";
import type { LiveSlice } from "./live-slices.ts";
import type { RegionManifest } from "./manifest.ts";
import { Note } from "./note.ts";
import { type Original, originals } from "./originals.ts";
import { proofProblem } from "./proof.ts";
import { RegionStore } from "./region-store.ts";
import type { LaidOut, LayoutProgress, LayoutTools } from "./work.ts";

export interface SupersedeReport {
  /** Originals that were proven from a copy and deleted, and the bytes of them. */
  readonly slices: number;
  readonly bytes: number;
  /** Blocks that were looked at. */
  readonly blocks: number;
  /** Copies and manifests that do not stand for their originals: these stay, and are tried again. */
  readonly broken: readonly Broken[];
}

/** Blocks that are looked at in one step: the note of how far it came is written behind each. */
const stepBlocks = 1_024;
/** Objects deleted at once: what each makes durable alone, a disk does for many in one go. */
const deletedAtOnce = 16;

/**
 * Deletes originals that were committed before `committedBefore` and that a copy stands for, each after its logical hash was
 * recomputed from the copy's rows as they lie in the store: from then on the copy is the truth. Where one does not prove its
 * originals, they stay, and the others go on. @throws the signal's reason
 */
export async function supersede(
  tools: LayoutTools,
  dataset: LaidOut,
  committedBefore: number,
  signal: AbortSignal,
  progress: LayoutProgress,
): Promise<SupersedeReport> {
  return await new Superseder(tools, dataset, committedBefore, signal).run(progress);
}

class Superseder {
  readonly #tools: LayoutTools;
  readonly #dataset: LaidOut;
  readonly #committedBefore: number;
  readonly #signal: AbortSignal;
  readonly #keys: LayoutKeys;
  readonly #store: RegionStore;
  readonly #broken = new BrokenParts();
  #report: Omit<SupersedeReport, "broken"> = { slices: 0, bytes: 0, blocks: 0 };

  constructor(tools: LayoutTools, dataset: LaidOut, committedBefore: number, signal: AbortSignal) {
    this.#tools = tools;
    this.#dataset = dataset;
    this.#committedBefore = committedBefore;
    this.#signal = signal;
    this.#keys = new LayoutKeys(dataset.id);
    this.#store = new RegionStore(tools.store, this.#keys, tools.regions);
  }

  async run(progress: LayoutProgress): Promise<SupersedeReport> {
    const { newest } = this.#dataset;
    const note = new Note(this.#tools.store, this.#keys.superseded);
    const begun = await note.read(this.#signal);
    for (let seq = begun; ; ) {
      this.#signal.throwIfAborted();
      const manifest = await this.#manifest(seq);
      if (manifest === null) break;
      const next = manifest === "broken" ? this.#behind(seq) : await this.#step(manifest, seq);
      // Behind what is broken nothing is noted as done: it is looked at again.
      if (next > seq && this.#broken.all.length === 0) await note.write(next);
      this.#report = { ...this.#report, blocks: this.#report.blocks + next - seq };
      await progress(next - begun, newest + 1 - begun, `${this.#report.slices} slices superseded`);
      const isWhole = manifest === "broken" || next >= Math.min(seq + stepBlocks, manifest.lastSeq + 1);
      if (!isWhole || next > newest) break; // what follows is too young, held open, or not there yet
      seq = next;
    }
    return { ...this.#report, broken: this.#broken.all };
  }

  /** That of the highest region that holds a block. */
  async #manifest(seq: number): Promise<RegionManifest | "broken" | null> {
    const { newest } = this.#dataset;
    let found: RegionManifest | null = null;
    const look = async () => {
      found = await this.#store.highest(seq, newest, this.#signal);
      return "read";
    };
    return (await this.#broken.attempt(look)) === null ? "broken" : found;
  }

  /** The first block behind the smallest region that holds one. */
  #behind(seq: number): number {
    const { regions } = this.#tools;
    return regions.lastSeq(regions.of(1, seq)) + 1;
  }

  /** Supersedes what is due of a region, from a block on. @returns the first block that is left */
  async #step(manifest: RegionManifest, from: number): Promise<number> {
    const to = Math.min(manifest.lastSeq, from + stepBlocks - 1);
    const { due, next } = await this.#due(from, to);
    const expired = await expiredBefore(this.#tools.store, this.#keys, this.#signal);
    const living = due.filter((original) => original.lastOffset >= expired);
    for (const file of manifest.files) {
      const held = living.filter(
        ({ firstOffset }) => firstOffset >= file.firstOffset && firstOffset <= file.lastOffset,
      );
      if (held.length === 0 || file.kind === "data") continue; // one that was carried stays
      if ((await this.#broken.attempt(() => this.#prove(file, held))) === null) continue;
      if (!(await this.#tools.store.settle(this.#keys.region(manifest)))) return from; // a higher one has come
      for (let at = 0; at < held.length; at += deletedAtOnce)
        await Promise.all(held.slice(at, at + deletedAtOnce).map((original) => this.#delete(original)));
    }
    return next;
  }

  /** The originals of a range of blocks up to the first one that is too young or held open, and the first block that is left. */
  async #due(from: number, to: number): Promise<{ readonly due: readonly Original[]; readonly next: number }> {
    const due: Original[] = [];
    for await (const original of originals(this.#dataset, from, to, this.#signal)) {
      if (original.systemTime >= this.#committedBefore || this.#dataset.isOpen({ key: this.#keys.data(original.hash) }))
        return { due, next: original.seq };
      due.push(original);
    }
    return { due, next: to + 1 };
  }

  /** @throws chain_broken where the copy does not stand for them */
  async #prove(file: LiveSlice, held: readonly Original[]): Promise<"proven"> {
    const { store, worker } = this.#tools;
    await using local = await store.local(file.key, this.#signal);
    const problem =
      local === null
        ? "it is missing"
        : await proofProblem(worker, this.#dataset.schemas, { file, path: local.path }, held, this.#signal);
    if (problem === null) return "proven";
    throw new MillraceError("chain_broken", `The copy ${file.key} does not stand for its slices: ${problem}.`, {
      data: { object: file.key, reason: problem },
      hint: "Its slices stay. Delete the copy's region manifest to have it made anew, while they are all there.",
    });
  }

  async #delete({ hash, sizeBytes }: Original): Promise<void> {
    this.#signal.throwIfAborted();
    await this.#tools.store.delete(this.#keys.data(hash));
    await this.#tools.store.delete(this.#keys.statistics(hash));
    const { slices, bytes } = this.#report;
    this.#report = { ...this.#report, slices: slices + 1, bytes: bytes + sizeBytes };
  }
}
