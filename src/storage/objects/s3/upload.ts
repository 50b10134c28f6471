import { type DiskFile, Semaphore } from "../../../base/index.ts";
import { failureError } from "./failure.ts";
import type { Part, S3Requests } from "./requests.ts";
import type { Limits, Retries } from "./retry.ts";

/** Files up to this size go in one request. */
const oneRequestBytes = 16 * 1024 * 1024;
const leastPartBytes = 8 * 1024 * 1024;
const mostParts = 10_000;
/** Parts in memory at once, over all uploads. */
const partsAtOnce = 6;
const partsAtOnceOfAFile = 3;

const transfer: Limits = { totalMs: 600_000, tryMs: 120_000 };
const quick: Limits = { totalMs: 60_000, tryMs: 15_000 };

/** Brings local files into the store if their key is free, in constant memory. What is told to be there is there whole. */
export class Uploads {
  readonly #requests: S3Requests;
  readonly #retries: Retries;
  readonly #parts = new Semaphore(partsAtOnce);

  constructor(requests: S3Requests, retries: Retries) {
    this.#requests = requests;
    this.#retries = retries;
  }

  /** Returns when an object of this key exists, ours or another's. */
  async putFile(key: string, file: DiskFile, sizeBytes: number): Promise<void> {
    if (sizeBytes <= oneRequestBytes) await this.#putWhole(key, file, sizeBytes);
    else if (!(await this.#exists(key))) await this.#putParts(key, file, sizeBytes);
  }

  async #putWhole(key: string, file: DiskFile, sizeBytes: number): Promise<void> {
    using _room = await this.#parts.acquire();
    const body = await readExactly(file, 0, sizeBytes);
    const about = `write ${key}`;
    const answer = await this.#retries.ask(about, transfer, (signal) =>
      this.#requests.put(key, body, { ifAbsent: true, writer: null }, signal),
    );
    if (!answer.ok && answer.failure.kind !== "exists") throw failureError(answer.failure, about);
  }

  async #exists(key: string): Promise<boolean> {
    const about = `look at ${key}`;
    const answer = await this.#retries.ask(about, quick, (signal) => this.#requests.head(key, signal));
    if (!answer.ok && answer.failure.kind !== "absent") throw failureError(answer.failure, about);
    return answer.ok;
  }

  async #putParts(key: string, file: DiskFile, sizeBytes: number): Promise<void> {
    const about = `begin to write ${key}`;
    const begun = await this.#retries.ask(about, quick, (signal) => this.#requests.createUpload(key, signal));
    if (!begun.ok) throw failureError(begun.failure, about);
    try {
      const parts = await this.#sendParts(key, begun.value, file, sizeBytes);
      if (await this.#complete(key, begun.value, parts)) return;
    } catch (error) {
      await this.#abort(key, begun.value);
      throw error;
    }
    await this.#abort(key, begun.value); // the key was taken meanwhile
  }

  /** A few parts at a time; the first failure ends the others before it is told. */
  async #sendParts(key: string, upload: string, file: DiskFile, sizeBytes: number): Promise<Part[]> {
    const partBytes = partSize(sizeBytes);
    const count = Math.ceil(sizeBytes / partBytes);
    const parts: Part[] = [];
    const failed = new AbortController();
    let next = 0;
    const sendNext = async () => {
      for (let at = next++; at < count && !failed.signal.aborted; at = next++) {
        const start = at * partBytes;
        using _room = await this.#parts.acquire(failed.signal);
        const body = await readExactly(file, start, Math.min(partBytes, sizeBytes - start));
        const about = `write part ${at + 1} of ${key}`;
        const work = (signal: AbortSignal) => this.#requests.putPart(key, upload, at + 1, body, signal);
        const answer = await this.#retries.ask(about, transfer, work, failed.signal);
        if (!answer.ok) throw failureError(answer.failure, about);
        parts[at] = answer.value;
      }
    };
    const senders = Array.from({ length: partsAtOnceOfAFile }, () =>
      sendNext().catch((error: unknown) => {
        failed.abort(error);
        throw error;
      }),
    );
    await Promise.allSettled(senders);
    failed.signal.throwIfAborted();
    return parts;
  }

  /** False where the key was taken before. */
  async #complete(key: string, upload: string, parts: readonly Part[]): Promise<boolean> {
    const about = `finish writing ${key}`;
    const work = (signal: AbortSignal) => this.#requests.completeUpload(key, upload, parts, signal);
    const answer = await this.#retries.ask(about, transfer, work);
    if (answer.ok) return true;
    if (answer.failure.kind === "exists") return false;
    // An upload that is gone was finished by a try of ours whose answer was lost.
    if (answer.failure.kind === "absent" && (await this.#exists(key))) return true;
    throw failureError(answer.failure, about);
  }

  /** What cannot be dropped now is dropped at a later start. */
  async #abort(key: string, upload: string): Promise<void> {
    await this.#retries
      .ask(`drop an upload of ${key}`, quick, (signal) => this.#requests.abortUpload(key, upload, signal))
      .catch(() => {});
  }
}

function partSize(sizeBytes: number): number {
  return Math.max(leastPartBytes, Math.ceil(sizeBytes / mostParts));
}

async function readExactly(file: DiskFile, start: number, length: number): Promise<Uint8Array> {
  const body = await file.read(start, length);
  if (body.length !== length) throw new Error("the file became shorter while it was read");
  return body;
}
