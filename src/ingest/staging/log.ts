import path from "node:path";
import { type Disk, type DiskFile, MillraceError, Mutex, type Random } from "../../base/index.ts";
import { type EntryHeader, encodeFrame } from "./frame.ts";
import { readSegment } from "./segment.ts";

const usualSegmentBytes = 64 << 20;

/** An acknowledged request that waits for its commit. */
export interface StagedEntry {
  readonly header: EntryHeader;
  /** Where its body stands. */
  readonly place: { readonly segment: string; readonly position: number };
}

interface Segment {
  readonly name: string;
  waiting: number;
  closed: boolean;
}

interface OpenSegment {
  readonly segment: Segment;
  readonly file: DiskFile;
  size: number;
}

/** What the log adds to a header is known when it is written. */
export type NewHeader = Omit<EntryHeader, "seq" | "syncedBytes">;

interface Append {
  readonly header: NewHeader;
  readonly body: Uint8Array;
  readonly resolve: (entry: StagedEntry) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The staging log: requests that were acknowledged and are not committed yet. One for a server; segments of frames, appended
 * and synced in groups, so that one sync serves all who wait.
 *
 *   asked --write, sync--> staged (acknowledged) --commit of the chain--> done; a segment goes when all of it is done
 *
 * After a crash only the tail that was never synced, and so never acknowledged, is cut off.
 */
export class StagingLog {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #random: Random;
  readonly #segmentBytes: number;
  readonly #segments = new Map<string, Segment>();
  readonly #queue: Append[] = [];
  readonly #naming = new Mutex();
  readonly #cutting = new Mutex();
  #current: OpenSegment | null = null;
  /** Segments with frames behind `size` that were never acknowledged, and could not be cut off. */
  #uncut: { readonly name: string; readonly size: number }[] = [];
  #flushing: Promise<void> | null = null;
  #nextSeq = 1;
  #id = "";
  #seal = 0;

  /** A segment closes with the first group that makes it longer than `segmentBytes`. */
  constructor(options: { disk: Disk; directory: string; random: Random; segmentBytes?: number }) {
    this.#disk = options.disk;
    this.#directory = options.directory;
    this.#random = options.random;
    this.#segmentBytes = options.segmentBytes ?? usualSegmentBytes;
  }

  /** Names this log in the source states of chains. */
  get id(): string {
    return this.#id;
  }

  /** Path for a large body's own file. */
  spoolPath(name: string): string {
    return path.join(this.#directory, "spool", name);
  }

  /** Opens the log; gives what was acknowledged before and may not be committed. */
  async open(): Promise<StagedEntry[]> {
    await this.#disk.makeDirectory(path.join(this.#directory, "spool"));
    // Each folder that may be new is durable only with the one above it: the log's own, and the one that it lies in.
    const parent = path.dirname(this.#directory);
    for (const folder of [this.#directory, parent, path.dirname(parent)]) await this.#disk.syncDirectory(folder);
    this.#id = await this.#readOwn("id");
    this.#seal = Number.parseInt((await this.#readOwn("seal")).slice(0, 8), 16);
    const names = (await this.#disk.list(this.#directory))
      .filter((entry) => entry.name.endsWith(".log"))
      .map((entry) => entry.name);
    const entries: StagedEntry[] = [];
    const empty: string[] = [];
    for (const name of names) {
      const segment = path.join(this.#directory, name);
      // A process that was killed may have left frames here that the disk has not. They are about to go into chains, which
      // remember their numbers: what the power takes from here behind that would have its numbers given again.
      await this.#sync(segment);
      const found = await readSegment(this.#disk, segment, name, this.#seal);
      entries.push(...found);
      if (found.length === 0) empty.push(name);
      else this.#segments.set(name, { name, waiting: found.length, closed: true });
    }
    // The floor must be known before anything is dropped, for dropping writes it.
    this.#nextSeq = (await this.#readFloor(entries)) + 1;
    for (const name of empty) await this.#drop(name);
    await this.#sweepSpool(entries);
    return entries;
  }

  async close(): Promise<void> {
    while (this.#flushing !== null) await this.#flushing;
    await this.#current?.file[Symbol.asyncDispose]();
    this.#current = null;
  }

  /** Durable when it resolves. @throws disk_full */
  append(header: NewHeader, body: Uint8Array): Promise<StagedEntry> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ header, body, resolve, reject });
      this.#kick();
    });
  }

  /** Looks again when a flush has ended: who came between its last look and its end must not wait for the next one. */
  #kick(): void {
    if (this.#flushing !== null || this.#queue.length === 0) return;
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = null;
      this.#kick();
    });
  }

  /** Reads a body that stands in a frame. */
  async readBody(entry: StagedEntry): Promise<Uint8Array> {
    await using file = await this.#disk.open(path.join(this.#directory, entry.place.segment), "read");
    return await file.read(entry.place.position, entry.header.bodyBytes);
  }

  /** The entry is in its chain, and its receipt is kept. */
  async done(entry: StagedEntry): Promise<void> {
    if (entry.header.spool !== null) await this.#disk.remove(this.spoolPath(entry.header.spool));
    const segment = this.#segments.get(entry.place.segment);
    if (segment === undefined) return;
    segment.waiting--;
    if (segment.closed && segment.waiting === 0) await this.#drop(segment.name);
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0);
      try {
        const entries = await this.#write(group);
        for (const [index, append] of group.entries()) {
          const entry = entries[index];
          if (entry !== undefined) append.resolve(entry);
        }
      } catch (cause) {
        await this.#abandon(group.length);
        const error = diskError(cause);
        for (const append of group) append.reject(error);
      }
    }
  }

  async #write(group: readonly Append[]): Promise<StagedEntry[]> {
    await this.#cut();
    const current = await this.#open();
    const pieces: Uint8Array[] = [];
    const entries: StagedEntry[] = [];
    let position = current.size;
    for (const { header, body } of group) {
      const numbered = { ...header, seq: this.#nextSeq + entries.length, syncedBytes: current.size };
      const frame = encodeFrame(numbered, body, this.#seal);
      const [prefix, json] = frame;
      entries.push({
        header: numbered,
        place: { segment: current.segment.name, position: position + (prefix?.length ?? 0) + (json?.length ?? 0) },
      });
      position += frame.reduce((sum, piece) => sum + piece.length, 0);
      pieces.push(...frame);
    }
    await current.file.write(Buffer.concat(pieces));
    await current.file.sync();
    current.size = position;
    current.segment.waiting += entries.length;
    this.#nextSeq += entries.length;
    if (current.size > this.#segmentBytes) await this.#close();
    return entries;
  }

  async #open(): Promise<OpenSegment> {
    if (this.#current !== null) return this.#current;
    const name = `${String(this.#nextSeq).padStart(16, "0")}.log`;
    const file = await this.#disk.open(path.join(this.#directory, name), "createNew");
    await this.#disk.syncDirectory(this.#directory);
    const segment: Segment = { name, waiting: 0, closed: false };
    this.#segments.set(name, segment);
    this.#current = { segment, file, size: 0 };
    return this.#current;
  }

  async #close(): Promise<void> {
    const current = this.#current;
    this.#current = null;
    if (current === null) return;
    await current.file[Symbol.asyncDispose]();
    current.segment.closed = true;
    if (current.segment.waiting === 0) await this.#drop(current.segment.name);
  }

  /**
   * After a failed write or sync the segment takes nothing more: what the disk has of the group nobody knows, also after a
   * later sync that succeeds. It is cut behind what was synced before, a new segment begins, and the numbers of the group
   * are not given again, for some of its frames may be found after a crash before the cut.
   */
  async #abandon(numbers: number): Promise<void> {
    this.#nextSeq += numbers;
    const current = this.#current;
    if (current === null) return;
    this.#uncut.push({ name: current.segment.name, size: current.size });
    await this.#cut().catch(() => {}); // tried again before anything else is acknowledged
    await this.#close().catch(() => {});
  }

  /**
   * Resolves when what was appended and not acknowledged is gone for good: until then the next start would take it for acknowledged, and nobody else
   * may take the request. @throws what the disk says
   */
  async forgotten(): Promise<void> {
    await this.#cut();
  }

  /**
   * A frame that was not acknowledged must be gone for good before a later one is: a chain that has the later one is taken to
   * have all before it, and a frame found at the next start would be taken for committed.
   */
  async #cut(): Promise<void> {
    await this.#cutting.run(() => this.#cutAll());
  }

  async #cutAll(): Promise<void> {
    for (let one = this.#uncut[0]; one !== undefined; one = this.#uncut[0]) {
      const segment = path.join(this.#directory, one.name);
      if ((await this.#disk.stat(segment)) === null) await this.#disk.syncDirectory(this.#directory);
      else {
        await using file = await this.#disk.open(segment, "append");
        await file.truncate(one.size);
        await file.sync();
      }
      this.#uncut.shift();
    }
  }

  /** Sequence numbers never come twice, also when every segment is gone: the floor is kept in a file. */
  async #readFloor(entries: readonly StagedEntry[]): Promise<number> {
    const file = path.join(this.#directory, "floor");
    const known =
      (await this.#disk.stat(file)) === null ? 0 : Number(new TextDecoder().decode(await this.#disk.readFile(file)));
    return entries.reduce((highest, entry) => Math.max(highest, entry.header.seq), known);
  }

  async #drop(name: string): Promise<void> {
    this.#segments.delete(name);
    // One at a time: two who write the floor at once would rename each other's file away.
    await this.#naming.run(async () => {
      await this.#writeFile("floor", String(this.#nextSeq - 1));
      await this.#disk.remove(path.join(this.#directory, name));
    });
  }

  async #sync(file: string): Promise<void> {
    await using open = await this.#disk.open(file, "append");
    await open.sync();
  }

  /** A file of random digits that is made once. */
  async #readOwn(name: "id" | "seal"): Promise<string> {
    const file = path.join(this.#directory, name);
    if ((await this.#disk.stat(file)) !== null) return new TextDecoder().decode(await this.#disk.readFile(file));
    const digits = Buffer.from(this.#random.bytes(8)).toString("hex");
    await this.#writeFile(name, digits);
    return digits;
  }

  async #writeFile(name: string, text: string): Promise<void> {
    const target = path.join(this.#directory, name);
    {
      await using file = await this.#disk.open(`${target}.new`, "write");
      await file.write(new TextEncoder().encode(text));
      await file.sync();
    }
    await this.#disk.rename(`${target}.new`, target);
    await this.#disk.syncDirectory(this.#directory);
  }

  /** Files of bodies that no entry names were never acknowledged. */
  async #sweepSpool(entries: readonly StagedEntry[]): Promise<void> {
    const named = new Set(entries.map((entry) => entry.header.spool));
    for (const { name } of await this.#disk.list(path.join(this.#directory, "spool"))) {
      if (!named.has(name)) await this.#disk.remove(this.spoolPath(name));
    }
  }
}

export function diskError(cause: unknown): unknown {
  if (cause instanceof Error && "code" in cause && (cause.code === "ENOSPC" || cause.code === "EDQUOT")) {
    return new MillraceError("disk_full", "The disk of the staging log is full; nothing was taken.", {
      cause,
      hint: "Make room, and send it again.",
      retryAfterS: 30,
    });
  }
  return cause;
}
