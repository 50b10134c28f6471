import { createHash } from "node:crypto";
import path from "node:path";
import {
  type Clock,
  type Disk,
  type DiskStat,
  MillraceError,
  type Random,
  Semaphore,
  type Telemetry,
} from "../../base/index.ts";
import type { LocalFiles, ReadObject } from "../objects/local-files.ts";
import type { LocalObject } from "../objects/object-store.ts";
import { contentHash, contentName, isContentName, nameOfDigest } from "./content-name.ts";
import { Entries, type Entry } from "./entries.ts";
import { Flight } from "./flight.ts";
import { PrivateFiles } from "./private-files.ts";

export interface ContentCacheOptions {
  /** A folder of the cache alone. */
  readonly folder: string;
  readonly budgetBytes: number;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: Telemetry;
}

interface Pinned extends Disposable {
  readonly entry: Entry;
}

/** Folder of files that are being fetched; no content name begins with a dot. */
const unfinished = ".tmp";
/** Objects that are fetched or checked at once. */
const flightsAtOnce = 8;
const readAtOnceBytes = 1 << 20;
const lookedAtAtOnce = 64;

/**
 * Objects named by their content, as files of that name. No byte is believed that was not held against its name: while it is
 * fetched, and again at its first use after a restart or after the file has changed. That hash is the proof, so nothing here
 * is synced: what a crash tears is found out and fetched anew. Objects of other names get a file for each reader.
 *
 *   absent --fetch, hash--> kept <--pin--> pinned      kept --restart, file changed--> doubted --hash--> kept | absent
 */
export class ContentCache implements LocalFiles {
  readonly #options: ContentCacheOptions;
  readonly #entries: Entries;
  readonly #private: PrivateFiles;
  readonly #flights = new Map<string, Flight<Pinned>>();
  readonly #turns = new Semaphore(flightsAtOnce);

  private constructor(options: ContentCacheOptions) {
    const { folder, disk, random, clock, budgetBytes } = options;
    this.#options = options;
    this.#private = new PrivateFiles({ folder: path.join(folder, unfinished), disk, random });
    this.#entries = new Entries({ budgetBytes, clock, remove: (name) => disk.remove(this.#path(name)) });
  }

  /** Opens the folder: what a former process left there stays in use, half fetched files go. */
  static async open(options: ContentCacheOptions): Promise<ContentCache> {
    const { folder, disk } = options;
    const temporary = path.join(folder, unfinished);
    await disk.makeDirectory(temporary);
    for (const { name } of await disk.list(temporary)) await disk.remove(path.join(temporary, name));
    const cache = new ContentCache(options);
    await cache.#findKept();
    return cache;
  }

  async open(key: string, read: ReadObject, signal?: AbortSignal): Promise<LocalObject | null> {
    signal?.throwIfAborted();
    const name = contentName(key);
    if (name === null) return await this.#private.open(key, read, signal);
    const entry = this.#entries.get(name);
    if (entry !== undefined) {
      const unpin = this.#entries.pin(entry);
      if (await this.#isUnchanged(entry)) {
        this.#options.telemetry.metrics.count("cache_hits_total");
        return this.#held(entry, unpin);
      }
      unpin();
    }
    const use = (found: Pinned | null) =>
      found === null ? null : this.#held(found.entry, this.#entries.pin(found.entry));
    return await this.#flight(name, read).wait(use, signal);
  }

  /** What was just written is likely to be read soon. It is believed as little as what a former process left. */
  async adopt(key: string, localPath: string): Promise<void> {
    const name = contentName(key);
    if (name === null || !(await this.#keep(name, localPath))) await this.#options.disk.remove(localPath);
  }

  async forget(key: string): Promise<void> {
    const name = contentName(key);
    const entry = name === null ? undefined : this.#entries.get(name);
    if (entry !== undefined) await this.#entries.drop(entry);
    this.#tell();
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  #path(name: string): string {
    return path.join(this.#options.folder, name);
  }

  #held(entry: Entry, unpin: () => void): LocalObject {
    return { path: this.#path(entry.name), [Symbol.asyncDispose]: async () => unpin() };
  }

  async #isUnchanged(entry: Entry): Promise<boolean> {
    return entry.stamp !== null && entry.stamp === stampOf(await this.#options.disk.stat(this.#path(entry.name)));
  }

  #flight(name: string, read: ReadObject): Flight<Pinned> {
    const known = this.#flights.get(name);
    if (known !== undefined) return known;
    const flight = new Flight<Pinned>(
      (signal) => this.#bring(name, read, signal),
      () => {
        if (this.#flights.get(name) === flight) this.#flights.delete(name);
      },
    );
    this.#flights.set(name, flight);
    return flight;
  }

  /** A file whose bytes meet the name: the one that is there, or the object's. */
  async #bring(name: string, read: ReadObject, signal: AbortSignal): Promise<Pinned | null> {
    using _turn = await this.#turns.acquire(signal);
    await this.#entries.gone(name);
    const entry = this.#entries.get(name);
    if (entry !== undefined) {
      const unpin = this.#entries.pin(entry);
      if (await this.#check(entry, signal).catch(letGo(unpin))) return { entry, [Symbol.dispose]: unpin };
      unpin();
    }
    try {
      return await this.#fetch(name, read, signal);
    } catch (error) {
      // The cache's disk may hold more than the cache: what nobody reads makes way once.
      if (!isFull(error)) throw error;
      if ((await this.#entries.dropUnpinned()) === 0) throw diskFull(error);
    }
    return await this.#fetch(name, read, signal).catch((error: unknown) => {
      throw isFull(error) ? diskFull(error) : error;
    });
  }

  /** Holds a file's bytes against its name. */
  async #check(entry: Entry, signal: AbortSignal): Promise<boolean> {
    const { disk } = this.#options;
    const file = this.#path(entry.name);
    const before = stampOf(await disk.stat(file));
    if (before === null) return false;
    const hash = createHash(contentHash);
    {
      await using handle = await disk.open(file, "read");
      for (let at = 0; ; ) {
        signal.throwIfAborted();
        const bytes = await handle.read(at, readAtOnceBytes);
        if (bytes.length === 0) break;
        hash.update(bytes);
        at += bytes.length;
      }
    }
    if (nameOfDigest(hash.digest()) !== entry.name || stampOf(await disk.stat(file)) !== before) return false;
    entry.stamp = before;
    return true;
  }

  async #fetch(name: string, read: ReadObject, signal: AbortSignal): Promise<Pinned | null> {
    const { folder, disk, random, telemetry } = this.#options;
    const temporary = path.join(folder, unfinished, Buffer.from(random.bytes(16)).toString("hex"));
    const hash = createHash(contentHash);
    let reservedBytes = 0;
    try {
      {
        await using file = await disk.open(temporary, "createNew");
        const begin = async (sizeBytes: number) => {
          await this.#entries.reserve(sizeBytes, signal);
          reservedBytes = sizeBytes;
        };
        const take = async (bytes: Uint8Array) => {
          hash.update(bytes);
          await file.write(bytes);
        };
        if (!(await read({ begin, take }, signal))) return null;
      }
      const found = nameOfDigest(hash.digest());
      if (found !== name) throw otherBytes(name, found);
      await disk.rename(temporary, this.#path(name));
      telemetry.metrics.count("cache_fetched_bytes_total", reservedBytes);
      const entry = this.#entries.put(name, reservedBytes, stampOf(await disk.stat(this.#path(name))));
      reservedBytes = 0;
      return { entry, [Symbol.dispose]: this.#entries.pin(entry) };
    } finally {
      this.#entries.release(reservedBytes);
      await disk.remove(temporary);
      this.#tell();
    }
  }

  /** Takes a file over where there is room for it. */
  async #keep(name: string, localPath: string): Promise<boolean> {
    const { disk } = this.#options;
    await this.#entries.gone(name);
    if (this.#entries.get(name) !== undefined || this.#flights.has(name)) return false;
    const sizeBytes = (await disk.stat(localPath))?.sizeBytes;
    if (sizeBytes === undefined || !(await this.#entries.tryReserve(sizeBytes))) return false;
    try {
      await disk.rename(localPath, this.#path(name));
    } catch {
      this.#entries.release(sizeBytes); // another file system: it is fetched when it is asked for
      return false;
    }
    this.#entries.put(name, sizeBytes, null);
    this.#tell();
    return true;
  }

  /** Enters what a former process left, the oldest first, as far as the budget goes. */
  async #findKept(): Promise<void> {
    const { folder, disk } = this.#options;
    const names = (await disk.list(folder)).map(({ name }) => name).filter(isContentName);
    const found: { name: string; sizeBytes: number; modifiedMs: number }[] = [];
    for (let at = 0; at < names.length; at += lookedAtAtOnce) {
      const looked = names.slice(at, at + lookedAtAtOnce).map(async (name) => {
        const stat = await disk.stat(this.#path(name));
        if (stat?.kind === "file") found.push({ name, sizeBytes: stat.sizeBytes, modifiedMs: stat.modifiedMs });
      });
      await Promise.all(looked);
    }
    found.sort((a, b) => a.modifiedMs - b.modifiedMs);
    for (const { name, sizeBytes } of found) {
      if (await this.#entries.tryReserve(sizeBytes)) this.#entries.put(name, sizeBytes, null);
      else await disk.remove(this.#path(name));
    }
    this.#tell();
  }

  #tell(): void {
    this.#options.telemetry.metrics.gauge("cache_bytes", this.#entries.usedBytes);
  }
}

/** What changes when a file does, as far as its disk can tell. */
function stampOf(stat: DiskStat | null): string | null {
  if (stat === null || stat.kind !== "file") return null;
  return `${stat.sizeBytes} ${stat.modifiedMs} ${stat.identity ?? ""}`;
}

function letGo(unpin: () => void): (error: unknown) => never {
  return (error) => {
    unpin();
    throw error;
  };
}

function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

function diskFull(cause: unknown): MillraceError {
  return new MillraceError("disk_full", "The disk of the cache of slices is full.", {
    hint: "Free space on it, or lower cache.bytes.",
    cause,
  });
}

function otherBytes(name: string, found: string): MillraceError {
  return new MillraceError("chain_broken", `The object store gave other bytes than those of ${name}.`, {
    hint: "`millrace verify` tells which object is broken.",
    data: { wanted: name, found },
  });
}
