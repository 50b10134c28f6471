import type { Chance } from "./scheduler.ts";

const pageBytes = 256;

/**
 * A file's bytes as processes see them, and as the platter has them: what was written since the last sync is a set of
 * pages, each of which a power loss may keep or lose by itself.
 */
export class FileNode {
  readonly kind = "file";
  #bytes: Buffer = Buffer.alloc(0);
  #size = 0;
  #platter: Buffer = Buffer.alloc(0);
  readonly #dirty = new Set<number>();
  #resized = false;
  modifiedMs = 0;

  get size(): number {
    return this.#size;
  }

  read(position: number, length: number): Buffer {
    return Buffer.from(this.#bytes.subarray(Math.min(position, this.#size), Math.min(position + length, this.#size)));
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(end, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, this.#size);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, position);
    if (end > this.#size) {
      this.#size = end;
      this.#resized = true;
    }
    for (let page = Math.floor(position / pageBytes); page * pageBytes < end; page++) this.#dirty.add(page);
  }

  truncate(size: number): void {
    if (size !== this.#size) this.#resized = true;
    if (size > this.#size) this.write(Buffer.alloc(size - this.#size), this.#size);
    this.#bytes.fill(0, size, this.#size);
    this.#size = size;
  }

  sync(): void {
    if (this.#dirty.size === 0 && !this.#resized) return;
    const platter = this.#platterOf(this.#size);
    for (const page of this.#dirty) this.#copyPage(platter, page);
    this.#platter = platter;
    this.#dirty.clear();
    this.#resized = false;
  }

  /** A sync that failed: the pages count as written, and are not. No later sync brings them. */
  failSync(): void {
    this.#dirty.clear();
    this.#resized = false;
  }

  /** What is found when the power is back. */
  afterPowerLoss(chance: Chance): FileNode {
    const found = new FileNode();
    const size = chance.happens(0.5) ? this.#size : chance.pick([this.#platter.length, this.#size]);
    const platter = this.#platterOf(this.#resized ? size : this.#platter.length);
    const kept = chance.pick([0, 0.5, 1]);
    for (const page of this.#dirty) if (chance.happens(kept)) this.#copyPage(platter, page);
    found.#bytes = platter;
    found.#size = platter.length;
    found.#platter = Buffer.from(platter);
    found.modifiedMs = this.modifiedMs;
    return found;
  }

  #platterOf(size: number): Buffer {
    const platter = Buffer.alloc(size);
    this.#platter.copy(platter, 0, 0, Math.min(size, this.#platter.length));
    return platter;
  }

  #copyPage(platter: Buffer, page: number): void {
    const from = page * pageBytes;
    if (from < platter.length)
      this.#bytes.copy(platter, from, from, Math.min(from + pageBytes, platter.length, this.#size));
  }
}

/** A folder's names as processes see them, and as the platter has them. */
export class FolderNode {
  readonly kind = "directory";
  readonly names: Map<string, Node>;
  #platter: Map<string, Node>;

  constructor(names: Map<string, Node> = new Map()) {
    this.names = names;
    this.#platter = new Map(names);
  }

  sync(): void {
    this.#platter = new Map(this.names);
  }

  /** Each name that was not synced is there or not by itself. `found` keeps one file one file under two names. */
  afterPowerLoss(chance: Chance, found: Map<Node, Node>): FolderNode {
    const kept = new Map<string, Node>();
    for (const name of new Set([...this.#platter.keys(), ...this.names.keys()])) {
      const [old, fresh] = [this.#platter.get(name), this.names.get(name)];
      const node = old === fresh || chance.happens(0.5) ? fresh : old;
      if (node === undefined) continue;
      const known = found.get(node);
      const after = known ?? (node.kind === "file" ? node.afterPowerLoss(chance) : node.afterPowerLoss(chance, found));
      found.set(node, after);
      kept.set(name, after);
    }
    return new FolderNode(kept);
  }
}

export type Node = FileNode | FolderNode;
