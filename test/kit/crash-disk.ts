import path from "node:path";
import type { Disk, DiskEntry, DiskFile, DiskStat } from "../../src/base/index.ts";

/** What a power loss leaves of bytes and names that were not synced. */
export type Loss =
  /** None of them. */
  | "all"
  /** Every one. */
  | "nothing"
  /** Names, and half of the bytes. */
  | "half"
  /** Names, and bytes whose first page never came: pages are written in any order. */
  | "first page";

interface FileNode {
  readonly kind: "file";
  bytes: Buffer;
  synced: Buffer;
}
interface FolderNode {
  readonly kind: "directory";
  names: Map<string, Node>;
  synced: Map<string, Node>;
}
type Node = FileNode | FolderNode;

export class PowerLoss extends Error {}

/** Where the power goes, or an operation fails: counted over all that change the disk. */
export interface Fault {
  readonly at: number;
  readonly kind: "loss before" | "loss after" | "failure";
  /** How many operations one after another fail; one unless said. */
  readonly lasting?: number;
}

const folder = (): FolderNode => ({ kind: "directory", names: new Map(), synced: new Map() });

/**
 * A disk in memory that keeps apart what was synced from what was not, and loses power where it is told. As the contract
 * says, bytes last from the `sync` of their file, names from the `syncDirectory` of their folder.
 */
export class CrashDisk implements Disk {
  readonly #root: FolderNode;
  readonly #fault: Fault | null;
  /** Operations so far that change the disk, by what they do. */
  readonly operations: string[] = [];
  #isOff = false;

  constructor(fault: Fault | null = null, root: FolderNode = folder()) {
    this.#fault = fault;
    this.#root = root;
  }

  /** The disk as it is found when the power is back. */
  after(loss: Loss, fault: Fault | null = null): CrashDisk {
    const copy = (node: Node): Node => {
      if (node.kind === "file") {
        const bytes = survivingBytes(node, loss);
        return { kind: "file", bytes, synced: bytes };
      }
      const names = loss === "all" ? node.synced : node.names;
      const entries = [...names].map(([name, inner]): [string, Node] => [name, copy(inner)]);
      return { kind: "directory", names: new Map(entries), synced: new Map(entries) };
    };
    const root = copy(this.#root);
    if (root.kind !== "directory") throw new Error("the root is a folder");
    return new CrashDisk(fault, root);
  }

  /** The disk as another process finds it when this one was killed: it reads what was written, synced or not. */
  afterKill(fault: Fault | null = null): CrashDisk {
    return new CrashDisk(fault, this.#root);
  }

  async open(file: string, mode: "read" | "append" | "createNew" | "write"): Promise<DiskFile> {
    if (mode === "read") return this.#handle(this.#file(file), false);
    return await this.#change(`open ${mode}`, () => {
      const parent = this.#folder(path.dirname(file));
      const known = parent.names.get(path.basename(file));
      if (known !== undefined && mode === "createNew") throw failure("EEXIST", file);
      const node: Node = known ?? { kind: "file", bytes: Buffer.alloc(0), synced: Buffer.alloc(0) };
      if (node.kind !== "file") throw failure("EISDIR", file);
      if (mode === "write") node.bytes = Buffer.alloc(0);
      parent.names.set(path.basename(file), node);
      return this.#handle(node, mode === "append");
    });
  }

  async readFile(file: string): Promise<Uint8Array> {
    this.#checkPower();
    return Buffer.from(this.#file(file).bytes);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#change("rename", () => {
      const node = this.#file(from);
      this.#folder(path.dirname(to)).names.set(path.basename(to), node);
      this.#folder(path.dirname(from)).names.delete(path.basename(from));
    });
  }

  async link(existing: string, to: string): Promise<void> {
    await this.#change("link", () => {
      const parent = this.#folder(path.dirname(to));
      if (parent.names.has(path.basename(to))) throw failure("EEXIST", to);
      parent.names.set(path.basename(to), this.#file(existing));
    });
  }

  async remove(file: string): Promise<void> {
    await this.#change("remove", () => {
      this.#folder(path.dirname(file)).names.delete(path.basename(file));
    });
  }

  async makeDirectory(target: string): Promise<void> {
    await this.#change("makeDirectory", () => {
      let at = this.#root;
      for (const name of target.split("/").filter((part) => part !== "")) {
        const next = at.names.get(name) ?? folder();
        if (next.kind !== "directory") throw failure("ENOTDIR", target);
        at.names.set(name, next);
        at = next;
      }
    });
  }

  async list(target: string): Promise<readonly DiskEntry[]> {
    this.#checkPower();
    const node = this.#find(target);
    if (node?.kind !== "directory") return [];
    return [...node.names].map(([name, { kind }]) => ({ name, kind })).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async stat(target: string): Promise<DiskStat | null> {
    this.#checkPower();
    const node = this.#find(target);
    if (node === undefined) return null;
    return { sizeBytes: node.kind === "file" ? node.bytes.length : 0, modifiedMs: 0, kind: node.kind };
  }

  async syncDirectory(target: string): Promise<void> {
    await this.#change("syncDirectory", () => {
      const node = this.#folder(target);
      node.synced = new Map(node.names);
    });
  }

  #handle(node: FileNode, append: boolean): DiskFile {
    let end = 0;
    return {
      write: (bytes, position) =>
        this.#change("write", () => {
          const at = append ? node.bytes.length : (position ?? end);
          const size = Math.max(node.bytes.length, at + bytes.length);
          const grown = Buffer.concat([node.bytes, Buffer.alloc(size - node.bytes.length)]);
          grown.set(bytes, at);
          node.bytes = grown;
          if (position === undefined) end = at + bytes.length;
        }),
      read: async (position, length) => {
        this.#checkPower();
        return Buffer.from(node.bytes.subarray(position, position + length));
      },
      truncate: (size) =>
        this.#change("truncate", () => {
          node.bytes = Buffer.from(node.bytes.subarray(0, size));
        }),
      sync: () =>
        this.#change("sync", () => {
          node.synced = node.bytes;
        }),
      sizeBytes: async () => node.bytes.length,
      [Symbol.asyncDispose]: async () => {},
    };
  }

  async #change<Result>(name: string, change: () => Result): Promise<Result> {
    await Promise.resolve();
    this.#checkPower();
    this.operations.push(name);
    const fault = this.#faultNow();
    if (fault === "failure") throw failure("EIO", name);
    if (fault === "loss before") this.#cutPower();
    const result = change();
    if (fault === "loss after") this.#cutPower();
    return result;
  }

  #faultNow(): Fault["kind"] | null {
    if (this.#fault === null) return null;
    const { at, kind, lasting = 1 } = this.#fault;
    const now = this.operations.length;
    return now >= at && now < at + lasting ? kind : null;
  }

  #cutPower(): never {
    this.#isOff = true;
    throw new PowerLoss("the power is gone");
  }

  #checkPower(): void {
    if (this.#isOff) throw new PowerLoss("the power is gone");
  }

  #find(target: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of target.split("/").filter((part) => part !== "")) {
      node = node?.kind === "directory" ? node.names.get(name) : undefined;
    }
    return node;
  }

  #file(target: string): FileNode {
    const node = this.#find(target);
    if (node?.kind !== "file") throw failure("ENOENT", target);
    return node;
  }

  #folder(target: string): FolderNode {
    const node = this.#find(target);
    if (node?.kind !== "directory") throw failure("ENOENT", target);
    return node;
  }
}

const pageBytes = 64;

/** Bytes behind what was synced come as the loss says; where synced bytes were written over, none of the new ones do. */
function survivingBytes({ bytes, synced }: FileNode, loss: Loss): Buffer {
  const isLonger = bytes.length > synced.length && bytes.subarray(0, synced.length).equals(synced);
  if (loss === "nothing") return bytes;
  if (loss === "all" || !isLonger) return synced;
  const fresh = bytes.subarray(synced.length);
  if (loss === "half") return Buffer.concat([synced, fresh.subarray(0, fresh.length >> 1)]);
  const lost = Buffer.from(fresh);
  lost.fill(0, 0, Math.min(pageBytes, lost.length));
  return Buffer.concat([synced, lost]);
}

function failure(code: string, about: string): Error {
  return Object.assign(new Error(`${code}: ${about}`), { code });
}
