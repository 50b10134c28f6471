import type { DatasetId } from "../../../src/base/index.ts";
import type { IngestReceipt } from "../../../src/ingest/index.ts";
import type { SliceRow } from "../world/rows.ts";

/** A promise that was broken, said in a sentence. */
export class Violation extends Error {}

/** A request for rows, as the client that sent it knows it. */
export interface Sent {
  readonly key: string;
  readonly datasetId: DatasetId;
  readonly rows: readonly string[];
  readonly bad: readonly string[];
  acknowledged: "no" | "staged" | "committed";
  receipt: IngestReceipt | null;
}

interface KnownDataset {
  readonly path: string;
  /** Rows by offset, as readers have seen them. */
  readonly seen: string[];
  /** Offsets below it were told to be committed. */
  committedTo: number;
  deletion: "none" | "asked" | "done";
}

/** What the outside has been told, and what must therefore be so for ever. */
export class Model {
  readonly sent: Sent[] = [];
  readonly datasets = new Map<DatasetId, KnownDataset>();
  /** Tasks that were taken on, and whether their cancellation was told. */
  readonly tasks = new Map<string, { cancelled: boolean; enqueued: boolean }>();
  readonly #generations = new Map<string, string>();

  dataset(id: DatasetId, path: string): KnownDataset {
    const known = this.datasets.get(id);
    if (known !== undefined) return known;
    const made: KnownDataset = { path, seen: [], committedTo: 0, deletion: "none" };
    this.datasets.set(id, made);
    return made;
  }

  isAlive(id: DatasetId): boolean {
    return (this.datasets.get(id)?.deletion ?? "none") === "none";
  }

  /** A receipt came back. @throws Violation where it says something else than was sent, or than another receipt */
  acknowledge(sent: Sent, receipt: IngestReceipt): void {
    if (receipt.state === "failed") {
      if (this.isAlive(sent.datasetId)) throw new Violation(`${sent.key} was dropped, and its dataset is there`);
      return;
    }
    if (receipt.state === "staged") {
      if (sent.acknowledged === "no") sent.acknowledged = "staged";
      return;
    }
    const { rows, quarantined, firstOffset, lastOffset } = receipt;
    // A body over which workers have died again and again is put aside whole.
    const isWhole = rows === 0 && quarantined === 1;
    if (!isWhole && (rows !== sent.rows.length || quarantined !== sent.bad.length))
      throw new Violation(
        `${sent.key} sent ${sent.rows.length} rows and ${sent.bad.length} bad ones, and its receipt says ${rows} and ${quarantined}`,
      );
    const before = sent.receipt;
    if (before !== null && (before.firstOffset !== firstOffset || before.lastOffset !== lastOffset))
      throw new Violation(
        `${sent.key} was told offset ${before.firstOffset} first, and then offset ${firstOffset}: its rows are there twice`,
      );
    sent.acknowledged = "committed";
    sent.receipt = receipt;
    const known = this.datasets.get(sent.datasetId);
    if (known !== undefined && lastOffset !== null) known.committedTo = Math.max(known.committedTo, lastOffset + 1);
  }

  /** A reader saw these rows. `committedTo` is what had been told before it began. */
  read(id: DatasetId, rows: readonly SliceRow[], committedTo: number): void {
    const known = this.datasets.get(id);
    if (known === undefined) return;
    for (const [index, { offset, id: row }] of rows.entries()) {
      if (offset !== index) throw new Violation(`${known.path}: row ${index} has the offset ${offset}`);
      const before = known.seen[index];
      if (before !== undefined && before !== row)
        throw new Violation(`${known.path}: offset ${index} was "${before}" to one reader and is "${row}" to another`);
      known.seen[index] = row;
    }
    if (rows.length < committedTo)
      throw new Violation(
        `${known.path}: ${committedTo} rows were told to be committed, and a later reader saw ${rows.length}`,
      );
  }

  /** A definition was told to be at a generation: nobody else was told the same of another content. */
  defined(address: string, id: string, generation: number, content: string): void {
    const name = `${address} ${id} ${generation}`;
    const before = this.#generations.get(name);
    if (before !== undefined && before !== content)
      throw new Violation(`generation ${generation} of ${address} was told with two contents`);
    this.#generations.set(name, content);
  }
}
