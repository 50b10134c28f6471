import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import type { ResultBody } from "../contract.ts";
import { JobFailure } from "./failure.ts";

/** Results up to this many bytes travel in the reply; longer ones through a file. */
const inlineBytes = 256 * 1024;

/** Takes a result's bytes: in memory while small, in the spool file when large, and never more than the limit. */
export class ResultSink implements Disposable {
  readonly #path: string;
  readonly #limit: number;
  readonly #parts: Uint8Array[] = [];
  #sizeBytes = 0;
  #file: number | null = null;

  constructor(path: string, limit: number) {
    this.#path = path;
    this.#limit = limit;
  }

  /** @throws result_too_large */
  write(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.byteLength;
    if (this.#sizeBytes > this.#limit) throw tooLarge(this.#limit);
    if (this.#file === null && this.#sizeBytes <= inlineBytes) {
      this.#parts.push(bytes);
      return;
    }
    this.#file ??= openSync(this.#path, "wx", 0o600);
    for (const part of this.#parts.splice(0)) writeAll(this.#file, part);
    writeAll(this.#file, bytes);
  }

  finish(): ResultBody {
    if (this.#file === null) return { kind: "inline", bytes: Buffer.concat(this.#parts) };
    closeSync(this.#file);
    this.#file = null;
    return { kind: "file", path: this.#path, sizeBytes: this.#sizeBytes };
  }

  /** An unfinished result leaves no file behind. */
  [Symbol.dispose](): void {
    if (this.#file === null) return;
    closeSync(this.#file);
    rmSync(this.#path, { force: true });
    this.#file = null;
  }
}

export function tooLarge(limit: number): JobFailure {
  return new JobFailure({
    code: "result_too_large",
    message: `The result is longer than ${limit} bytes.`,
    hint: "Select fewer rows or columns, or raise the limit.",
  });
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.byteLength; ) done += writeSync(file, bytes, done);
}
