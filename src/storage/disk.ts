import { lstatSync, statSync } from "node:fs";
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import type { Disk, DiskFile } from "../base/index.ts";

/** Looks at files before the event loop turns. */
const looksInARow = 64;
let looks = 0;

/** The machine's own file system. */
export const nodeDisk: Disk = {
  async open(path, mode) {
    const flags = { read: "r", append: "a+", createNew: "wx+", write: "w+" } as const;
    return new NodeFile(await open(path, flags[mode], 0o600), mode === "append");
  },
  readFile: (path) => readFile(path),
  rename: (from, to) => rename(from, to),
  link: (existing, to) => link(existing, to),
  async remove(path) {
    // Mostly a temporary file that has got its name: nothing is there, which the kernel says at once.
    const found = await orAbsent(
      Promise.try(() => lstatSync(path, { throwIfNoEntry: false }) ?? null),
      null,
    );
    if (found !== null) await orAbsent(unlink(path), undefined);
  },
  async makeDirectory(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  async list(path) {
    const entries = await orAbsent(readdir(path, { withFileTypes: true }), []);
    return entries
      .filter((entry) => entry.isFile() || entry.isDirectory())
      .map((entry) => ({ name: entry.name, kind: entry.isDirectory() ? ("directory" as const) : ("file" as const) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  },
  async stat(path) {
    // At once: the kernel answers from its cache in microseconds, the way over the thread pool takes fifty times as long, and
    // every query looks at its datasets' logs and slices. A loop that only looks would let nobody else in: it gives way now and then.
    if (++looks % looksInARow === 0) await setImmediate();
    const found = await orAbsent(
      Promise.try(() => statSync(path, { bigint: true, throwIfNoEntry: false }) ?? null),
      null,
    );
    if (found === null) return null;
    return {
      sizeBytes: Number(found.size),
      modifiedMs: Number(found.mtimeNs) / 1e6,
      kind: found.isDirectory() ? "directory" : "file",
      identity: `${found.dev}.${found.ino}.${found.ctimeNs}`,
    };
  },
  async syncDirectory(path) {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};

class NodeFile implements DiskFile {
  readonly #handle: FileHandle;
  readonly #append: boolean;
  #end = 0;

  constructor(handle: FileHandle, append: boolean) {
    this.#handle = handle;
    this.#append = append;
  }

  async write(bytes: Uint8Array, position?: number): Promise<void> {
    let at = position ?? this.#end;
    for (let written = 0; written < bytes.length; ) {
      // An append-mode file ignores positions: the system puts the bytes at the end.
      const { bytesWritten } = await this.#handle.write(
        bytes,
        written,
        bytes.length - written,
        this.#append ? null : at,
      );
      written += bytesWritten;
      at += bytesWritten;
    }
    if (position === undefined) this.#end = at;
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    const buffer = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await this.#handle.read(buffer, filled, length - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#handle.truncate(sizeBytes);
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  async sizeBytes(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#handle.close();
  }
}

async function orAbsent<Value, Absent>(found: Promise<Value>, absent: Absent): Promise<Value | Absent> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
      return absent;
    throw error;
  }
}
