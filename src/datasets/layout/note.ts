import { z } from "zod";
import type { ObjectStore } from "../../storage/index.ts";

const shape = z.object({ formatVersion: z.literal(1), seq: z.int().min(0) });

/**
 * How far deletions of originals have come: all of lower sequence numbers are done. What was true once stays true, so that a note
 * that is missing, old, or written late by a run that was frozen only costs work.
 */
export class Note {
  readonly #store: ObjectStore;
  readonly #key: string;

  constructor(store: ObjectStore, key: string) {
    this.#store = store;
    this.#key = key;
  }

  async read(signal?: AbortSignal): Promise<number> {
    const bytes = await this.#store.get(this.#key, signal ? { signal } : {});
    const found = bytes === null ? null : shape.safeParse(parse(bytes));
    return found?.success === true ? found.data.seq : 0;
  }

  async write(seq: number): Promise<void> {
    await this.#store.put(this.#key, new TextEncoder().encode(JSON.stringify({ formatVersion: 1, seq })));
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}
