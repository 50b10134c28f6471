import {
  closeSync,
  fstatSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { Disk, DiskFile } from "../../src/base/index.ts";
import { nodeDisk } from "../../src/storage/index.ts";

/**
 * The machine's disk for who builds much and measures none of it: each operation at once, without a way over other threads, and
 * nothing made durable. What is written is the same; a crash would lose it.
 */
export const unsyncedDisk: Disk = {
  ...nodeDisk,
  async open(path, mode) {
    const flags = { read: "r", append: "a+", createNew: "wx+", write: "w+" } as const;
    return new UnsyncedFile(openSync(path, flags[mode], 0o600), mode === "append");
  },
  rename: async (from, to) => renameSync(from, to),
  link: async (existing, to) => linkSync(existing, to),
  async remove(path) {
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) unlinkSync(path);
  },
  syncDirectory: async () => {},
};

class UnsyncedFile implements DiskFile {
  readonly #file: number;
  readonly #isAppended: boolean;
  #end = 0;

  constructor(file: number, isAppended: boolean) {
    this.#file = file;
    this.#isAppended = isAppended;
  }

  async write(bytes: Uint8Array, position?: number): Promise<void> {
    const at = position ?? this.#end;
    for (let written = 0; written < bytes.length; )
      written += writeSync(this.#file, bytes, written, bytes.length - written, this.#isAppended ? null : at + written);
    if (position === undefined) this.#end = at + bytes.length;
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(length);
    let filled = 0;
    for (let read = -1; read !== 0 && filled < length; filled += read)
      read = readSync(this.#file, buffer, filled, length - filled, position + filled);
    return buffer.subarray(0, filled);
  }

  truncate = async (sizeBytes: number) => ftruncateSync(this.#file, sizeBytes);
  sizeBytes = async () => fstatSync(this.#file).size;
  async sync(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.#file);
  }
}
