import { createHash } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import type { Clock, DatasetId, Disk, IdSource, Instant, Telemetry } from "../base/index.ts";
import type { ObjectStore } from "../storage/index.ts";

/** What a checkpoint is of. */
export interface CheckpointSource {
  readonly path: string;
  readonly ledger: { readonly seq: number; readonly transformSeq: number };
}

const everyMs = 600_000;
const chunkBytes = 1 << 20;
const shape = z.object({
  key: z.string(),
  sizeBytes: z.int().min(0),
  sha256: z.string(),
  seq: z.int(),
  transformSeq: z.int(),
});
type Checkpoint = z.output<typeof shape>;

export interface CheckpointsOptions {
  readonly store: ObjectStore;
  readonly disk: Disk;
  /** Where copies are made; emptied at start. */
  readonly directory: string;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly telemetry: Telemetry;
}

/**
 * Copies of states in the object store: `transforms/ID/state` names the newest, `transforms/ID/states/...` holds it. A server that has none of its own, or lost it,
 * goes on from there; and so does a derivative some of whose inputs' rows have expired since.
 */
export class Checkpoints {
  readonly #options: CheckpointsOptions;
  readonly #storedAt = new Map<DatasetId, Instant>();

  constructor(options: CheckpointsOptions) {
    this.#options = options;
  }

  /** Stores a copy, unless one was stored a short time ago. Nothing may write to the file meanwhile. */
  async store(id: DatasetId, { path: file, ledger }: CheckpointSource): Promise<void> {
    const { store, clock, disk, directory, ids } = this.#options;
    const before = this.#storedAt.get(id);
    if (before !== undefined && clock.now() - before < everyMs) return;
    const newest = await this.#newest(id);
    if (newest !== null && newest.transformSeq === ledger.transformSeq && newest.seq >= ledger.seq) return;
    this.#storedAt.set(id, clock.now());
    const copy = path.join(directory, `${ids.uuid()}.state`);
    try {
      const { sizeBytes, sha256 } = await this.#copy(file, copy);
      const key = `${statesOf(id)}${String(ledger.seq).padStart(12, "0")}-${sha256.slice(0, 16)}`;
      await store.adopt(key, copy);
      const { seq, transformSeq } = ledger;
      await store.put(
        nameOf(id),
        new TextEncoder().encode(JSON.stringify({ key, sizeBytes, sha256, seq, transformSeq })),
      );
      for await (const old of store.list(statesOf(id))) if (old.key !== key) await store.delete(old.key);
    } finally {
      await disk.remove(copy);
    }
  }

  /** Makes the newest checkpoint a file. False where there is none that is whole. */
  async restore(id: DatasetId, file: string, signal: AbortSignal): Promise<boolean> {
    const { store, disk, telemetry } = this.#options;
    const newest = await this.#newest(id);
    if (newest === null) return false;
    await using object = await store.local(newest.key, signal);
    if (object === null) return false;
    const { sizeBytes, sha256 } = await this.#copy(object.path, file);
    if (sizeBytes === newest.sizeBytes && sha256 === newest.sha256) return true;
    telemetry.log.warn("the checkpoint of a transform's state is damaged; the state is made anew", { datasetId: id });
    await disk.remove(file);
    return false;
  }

  async forget(id: DatasetId): Promise<void> {
    const { store } = this.#options;
    this.#storedAt.delete(id);
    await store.delete(nameOf(id));
    for await (const { key } of store.list(statesOf(id))) await store.delete(key);
  }

  async #newest(id: DatasetId): Promise<Checkpoint | null> {
    const bytes = await this.#options.store.get(nameOf(id));
    if (bytes === null) return null;
    const parsed = shape.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
    return parsed.success ? parsed.data : null;
  }

  /** Not a link: DuckDB writes within the file. */
  async #copy(from: string, to: string): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
    const { disk } = this.#options;
    await using source = await disk.open(from, "read");
    await using target = await disk.open(to, "write");
    const hash = createHash("sha256");
    let sizeBytes = 0;
    for (;;) {
      const bytes = await source.read(sizeBytes, chunkBytes);
      if (bytes.length === 0) break;
      hash.update(bytes);
      await target.write(bytes, sizeBytes);
      sizeBytes += bytes.length;
    }
    await target.sync();
    return { sizeBytes, sha256: hash.digest("hex") };
  }
}

const folderOf = (id: DatasetId) => `transforms/${id.replaceAll(":", "_")}/`;
const nameOf = (id: DatasetId) => `${folderOf(id)}state`;
const statesOf = (id: DatasetId) => `${folderOf(id)}states/`;
