import { abortable, type Clock, deadlineSignal, MillraceError } from "../../base/index.ts";

/** A file of the cache. */
export interface Entry {
  readonly name: string;
  sizeBytes: number;
  /** How the file looked when its bytes were last held against its name; null while that was not done. */
  stamp: string | null;
  /** Readers that hold it: it stays while there are any. */
  pins: number;
}

export interface EntriesOptions {
  readonly budgetBytes: number;
  readonly clock: Clock;
  /** Removes an entry's file. */
  readonly remove: (name: string) => Promise<void>;
}

/** How long who needs room waits for readers to let go of what they hold. */
const roomWithinMs = 10_000;

/**
 * What the cache holds, and how much. The budget is never passed: room is reserved before bytes come, and made by dropping
 * what was not used for longest. What a reader holds is never dropped; when nothing else is left, who needs room waits.
 *
 *   reserved --put--> kept, unpinned <--pin / unpin--> pinned
 *                          \--room is needed--> leaving --file removed--> gone
 */
export class Entries {
  /** Least recently used first. */
  readonly #kept = new Map<string, Entry>();
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #options: EntriesOptions;
  #usedBytes = 0;
  #roomMade = Promise.withResolvers<void>();

  constructor(options: EntriesOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get(name: string): Entry | undefined {
    return this.#kept.get(name);
  }

  /** Resolves when no file of this name is being removed. */
  async gone(name: string): Promise<void> {
    await this.#leaving.get(name);
  }

  /** Enters a file whose room was reserved; or tells what became of one that is there, its own room being given back. */
  put(name: string, sizeBytes: number, stamp: string | null): Entry {
    const known = this.#kept.get(name);
    if (known === undefined) {
      const entry = { name, sizeBytes, stamp, pins: 0 };
      this.#kept.set(name, entry);
      return entry;
    }
    this.release(known.sizeBytes);
    known.sizeBytes = sizeBytes;
    known.stamp = stamp;
    return known;
  }

  /** Counts a reader; the returned function lets go, once. */
  pin(entry: Entry): () => void {
    entry.pins++;
    this.#kept.delete(entry.name);
    this.#kept.set(entry.name, entry);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      if (--entry.pins === 0) this.#tell();
    };
  }

  /** @throws disk_full where readers hold what is in the way, the signal's reason */
  async reserve(bytes: number, signal: AbortSignal): Promise<void> {
    const { budgetBytes, clock } = this.#options;
    if (bytes > budgetBytes) throw noRoom(bytes, budgetBytes);
    using deadline = deadlineSignal(clock, roomWithinMs, () => noRoom(bytes, budgetBytes), signal);
    while (!(await this.tryReserve(bytes))) await abortable(this.#roomMade.promise, deadline.signal);
  }

  /** Makes room of what nobody holds; false where that does not suffice. */
  async tryReserve(bytes: number): Promise<boolean> {
    for (;;) {
      if (this.#usedBytes + bytes <= this.#options.budgetBytes) {
        this.#usedBytes += bytes;
        return true;
      }
      const oldest = this.#kept.values().find(({ pins }) => pins === 0);
      if (oldest !== undefined) await this.#drop(oldest);
      else if (this.#leaving.size > 0) await Promise.all(this.#leaving.values());
      else return false;
    }
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
    if (bytes > 0) this.#tell();
  }

  /** Drops everything that nobody holds; tells how much that was. */
  async dropUnpinned(): Promise<number> {
    const before = this.#usedBytes;
    await Promise.all([...this.#kept.values()].filter(({ pins }) => pins === 0).map((entry) => this.#drop(entry)));
    return before - this.#usedBytes;
  }

  /** Drops an entry unless a reader holds it. */
  async drop(entry: Entry): Promise<void> {
    if (entry.pins === 0 && this.#kept.get(entry.name) === entry) await this.#drop(entry);
  }

  /** Until its file is gone an entry takes room, and no other of its name comes. */
  #drop(entry: Entry): Promise<void> {
    this.#kept.delete(entry.name);
    const removed = this.#options.remove(entry.name).finally(() => {
      this.#leaving.delete(entry.name);
      this.release(entry.sizeBytes);
    });
    this.#leaving.set(entry.name, removed);
    return removed;
  }

  #tell(): void {
    this.#roomMade.resolve();
    this.#roomMade = Promise.withResolvers();
  }
}

function noRoom(bytes: number, budgetBytes: number): MillraceError {
  return new MillraceError(
    "disk_full",
    `The cache of slices has no room for ${bytes} bytes more: running queries hold what its ${budgetBytes} bytes have.`,
    { hint: "Raise cache.bytes, or read less at once.", data: { neededBytes: bytes, budgetBytes } },
  );
}
