import path from "node:path";
import type { Disk, DiskEntry, DiskFile, DiskStat } from "../../../src/base/index.ts";
import { FileNode, FolderNode, type Node } from "./file.ts";
import type { Actor, Chance, Scheduler } from "./scheduler.ts";

/** What goes wrong on a machine's disk; whoever runs the world turns it. */
export interface DiskTrouble {
  full: boolean;
  /** How often an operation that writes fails with EIO. */
  errors: number;
  /** How much longer everything takes. */
  slowness: number;
}

/** The plate of one machine: it outlives processes, and loses what was not synced when the power goes. */
export class Platter {
  root = new FolderNode();
  readonly trouble: DiskTrouble = { full: false, errors: 0, slowness: 1 };

  losePower(chance: Chance): void {
    this.root = this.root.afterPowerLoss(chance, new Map());
  }
}

export interface DiskOptions {
  readonly platter: Platter;
  readonly scheduler: Scheduler;
  readonly owner: Actor;
  readonly chance: Chance;
}

/** A process's way to its machine's disk. What it asked for when it died has happened, or never does. */
export class SimulatedDisk implements Disk {
  readonly #options: DiskOptions;

  constructor(options: DiskOptions) {
    this.#options = options;
  }

  open(file: string, mode: "read" | "append" | "createNew" | "write"): Promise<DiskFile> {
    if (mode === "read") return this.#read(() => new OpenFile(this, this.#file(file), false));
    return this.#change(`open ${file}`, (now) => {
      const parent = this.#folder(path.dirname(file));
      const name = path.basename(file);
      const known = parent.names.get(name);
      if (known !== undefined && mode === "createNew") throw failure("EEXIST", file);
      if (known === undefined && this.#options.platter.trouble.full) throw failure("ENOSPC", file);
      const node = known ?? new FileNode();
      if (node.kind !== "file") throw failure("EISDIR", file);
      if (mode === "write") node.truncate(0);
      node.modifiedMs = now;
      parent.names.set(name, node);
      return new OpenFile(this, node, mode === "append");
    });
  }

  readFile(file: string): Promise<Uint8Array> {
    return this.#read(() => {
      const node = this.#file(file);
      return node.read(0, node.size);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#change(`rename ${from}`, () => {
      const node = this.#file(from);
      this.#folder(path.dirname(to)).names.set(path.basename(to), node);
      this.#folder(path.dirname(from)).names.delete(path.basename(from));
    });
  }

  link(existing: string, to: string): Promise<void> {
    return this.#change(`link ${to}`, () => {
      const parent = this.#folder(path.dirname(to));
      if (parent.names.has(path.basename(to))) throw failure("EEXIST", to);
      parent.names.set(path.basename(to), this.#file(existing));
    });
  }

  remove(file: string): Promise<void> {
    return this.#change(`remove ${file}`, () => {
      const parent = this.#find(path.dirname(file));
      if (parent?.kind === "directory") parent.names.delete(path.basename(file));
    });
  }

  makeDirectory(target: string): Promise<void> {
    return this.#change(`makeDirectory ${target}`, () => {
      let at = this.#options.platter.root;
      for (const name of parts(target)) {
        const next = at.names.get(name) ?? new FolderNode();
        if (next.kind !== "directory") throw failure("ENOTDIR", target);
        at.names.set(name, next);
        at = next;
      }
    });
  }

  list(target: string): Promise<readonly DiskEntry[]> {
    return this.#read((): DiskEntry[] => {
      const node = this.#find(target);
      if (node?.kind !== "directory") return [];
      const entries = [...node.names].map(([name, { kind }]): DiskEntry => ({ name, kind }));
      return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  stat(target: string): Promise<DiskStat | null> {
    return this.#read(() => {
      const node = this.#find(target);
      if (node === undefined) return null;
      const [sizeBytes, modifiedMs] = node.kind === "file" ? [node.size, node.modifiedMs] : [0, 0];
      return { sizeBytes, modifiedMs, kind: node.kind };
    });
  }

  syncDirectory(target: string): Promise<void> {
    return this.#change(`syncDirectory ${target}`, () => this.#folder(target).sync(), 5);
  }

  write(node: FileNode, bytes: Uint8Array, position: () => number): Promise<void> {
    return this.#change("write", (now) => {
      const { full } = this.#options.platter.trouble;
      node.modifiedMs = now;
      // A disk that fills up takes the beginning of what does not fit.
      if (full) node.write(bytes.subarray(0, bytes.length >> 1), position());
      if (full) throw failure("ENOSPC", "write");
      node.write(bytes, position());
    });
  }

  truncate(node: FileNode, sizeBytes: number): Promise<void> {
    return this.#change("truncate", () => node.truncate(sizeBytes));
  }

  sync(node: FileNode): Promise<void> {
    return this.#change(
      "sync",
      () => node.sync(),
      5,
      () => node.failSync(),
    );
  }

  read<Result>(work: () => Result): Promise<Result> {
    return this.#read(work);
  }

  #read<Result>(work: () => Result): Promise<Result> {
    return this.#after(0.2, () => work());
  }

  /** An operation that writes; `failed` is what becomes of it when the disk refuses it. */
  #change<Result>(name: string, change: (nowMs: number) => Result, mostMs = 0.5, failed?: () => void): Promise<Result> {
    const { platter, chance, scheduler } = this.#options;
    return this.#after(mostMs, () => {
      if (platter.trouble.errors > 0 && chance.happens(platter.trouble.errors)) {
        failed?.();
        throw failure("EIO", name);
      }
      return change(scheduler.nowMs);
    });
  }

  #after<Result>(mostMs: number, work: () => Result): Promise<Result> {
    const { scheduler, owner, chance, platter } = this.#options;
    const waitMs = chance.skewed(0.02, mostMs) * platter.trouble.slowness;
    return new Promise((resolve, reject) => {
      scheduler.after(waitMs, owner, () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #find(target: string): Node | undefined {
    let node: Node | undefined = this.#options.platter.root;
    for (const name of parts(target)) node = node?.kind === "directory" ? node.names.get(name) : undefined;
    return node;
  }

  #file(target: string): FileNode {
    const node = this.#find(target);
    if (node === undefined) throw failure("ENOENT", target);
    if (node.kind !== "file") throw failure("EISDIR", target);
    return node;
  }

  #folder(target: string): FolderNode {
    const node = this.#find(target);
    if (node?.kind !== "directory") throw failure("ENOENT", target);
    return node;
  }
}

class OpenFile implements DiskFile {
  readonly #disk: SimulatedDisk;
  readonly #node: FileNode;
  readonly #append: boolean;
  #end = 0;

  constructor(disk: SimulatedDisk, node: FileNode, append: boolean) {
    this.#disk = disk;
    this.#node = node;
    this.#append = append;
  }

  async write(bytes: Uint8Array, position?: number): Promise<void> {
    // The caller's buffer is its own again when the call has returned, as with the machine's own file system: not before.
    await this.#disk.write(this.#node, bytes, () => (this.#append ? this.#node.size : (position ?? this.#end)));
    if (position === undefined) this.#end += bytes.length;
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return this.#disk.read(() => this.#node.read(position, length));
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#disk.truncate(this.#node, sizeBytes);
  }

  sync(): Promise<void> {
    return this.#disk.sync(this.#node);
  }

  sizeBytes(): Promise<number> {
    return this.#disk.read(() => this.#node.size);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function parts(target: string): readonly string[] {
  return target.split("/").filter((part) => part !== "");
}

function failure(code: string, about: string): Error {
  return Object.assign(new Error(`${code}: ${about}`), { code });
}
