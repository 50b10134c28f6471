import { Semaphore } from "../../../base/index.ts";
import type { ObjectSink } from "../local-files.ts";
import { failureError } from "./failure.ts";
import type { S3Requests } from "./requests.ts";
import type { Limits, Retries } from "./retry.ts";

const partBytes = 8 * 1024 * 1024;
/** Parts in memory at once, over all downloads. */
const partsAtOnce = 12;
/** Parts of one object that are asked for before they are taken. */
const partsAhead = 4;
const transfer: Limits = { totalMs: 600_000, tryMs: 60_000 };

/** Reads whole objects part by part, several parts ahead, in constant memory. */
export class Downloads {
  readonly #requests: S3Requests;
  readonly #retries: Retries;
  readonly #parts = new Semaphore(partsAtOnce);

  constructor(requests: S3Requests, retries: Retries) {
    this.#requests = requests;
    this.#retries = retries;
  }

  /**
   * Hands an object to the sink. False where it is absent.
   * @throws the signal's reason; unavailable
   */
  async read(key: string, sink: ObjectSink, parent: AbortSignal): Promise<boolean> {
    const stopped = new AbortController();
    const signal = AbortSignal.any([parent, stopped.signal]);
    const first = await this.#part(key, 0, signal);
    if (first === null) return false;
    const { sizeBytes } = first.part;
    const ahead: Promise<Held | null>[] = [Promise.resolve(first)];
    let asked = partBytes;
    try {
      await sink.begin(sizeBytes);
      for (let taken = 0; taken < sizeBytes || taken === 0; taken += partBytes) {
        for (; ahead.length < partsAhead && asked < sizeBytes; asked += partBytes) {
          const part = this.#part(key, asked, signal);
          part.catch(() => {}); // it is told when its turn comes
          ahead.push(part);
        }
        using held = (await ahead.shift()) ?? vanished(key);
        await sink.take(held.part.bytes);
      }
    } finally {
      stopped.abort();
      for (const outcome of await Promise.allSettled(ahead))
        if (outcome.status === "fulfilled") outcome.value?.[Symbol.dispose]();
    }
    return true;
  }

  /** A part with its room in memory; null where the object is absent. */
  async #part(key: string, start: number, signal: AbortSignal): Promise<Held | null> {
    const room = await this.#parts.acquire(signal);
    try {
      const about = `read ${key}`;
      const work = (within: AbortSignal) => this.#requests.getRange(key, start, partBytes, within);
      const answer = await this.#retries.ask(about, transfer, work, signal);
      if (answer.ok) return { part: answer.value, [Symbol.dispose]: () => room[Symbol.dispose]() };
      room[Symbol.dispose]();
      if (answer.failure.kind === "absent") return null;
      if (answer.failure.kind === "bad range" && start === 0)
        return { part: { bytes: new Uint8Array(), sizeBytes: 0 }, [Symbol.dispose]() {} };
      throw failureError(answer.failure, about);
    } catch (error) {
      room[Symbol.dispose]();
      throw error;
    }
  }
}

interface Held extends Disposable {
  readonly part: { readonly bytes: Uint8Array; readonly sizeBytes: number };
}

function vanished(key: string): never {
  throw failureError({ kind: "absent", said: "it was deleted meanwhile", cause: undefined }, `read ${key}`);
}
