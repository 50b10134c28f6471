import type { Clock, Disk, Random } from "../../base/index.ts";
import type { LocalFiles } from "./local-files.ts";
import {
  checkKey,
  type GetOptions,
  isPrefix,
  type ListOptions,
  type LocalObject,
  type ObjectStat,
  type ObjectStore,
} from "./object-store.ts";
import { Downloads } from "./s3/download.ts";
import { type Failure, failureError } from "./s3/failure.ts";
import { type S3Connection, S3Requests } from "./s3/requests.ts";
import { type Answer, type Limits, Retries } from "./s3/retry.ts";
import { Uploads } from "./s3/upload.ts";

export interface S3StoreOptions {
  readonly connection: S3Connection;
  /** Comes before each key: empty, or ends with a slash. */
  readonly prefix: string;
  readonly files: LocalFiles;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
}

const limits: Limits = { totalMs: 60_000, tryMs: 15_000 };
/** For bodies that may be large; a connection on which nothing moves is given up long before. */
const bodyLimits: Limits = { totalMs: 120_000, tryMs: 60_000 };
const pageKeys = 1_000;
const abandonedAfterMs = 86_400_000;

/** Objects in a bucket of an S3 store whose conditional writes hold; see probe.ts for those that do not. */
export class S3Store implements ObjectStore, AsyncDisposable {
  readonly #prefix: string;
  readonly #files: LocalFiles;
  readonly #disk: Disk;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #requests: S3Requests;
  readonly #retries: Retries;
  readonly #uploads: Uploads;
  readonly #downloads: Downloads;

  constructor({ connection, prefix, files, disk, clock, random }: S3StoreOptions) {
    this.#prefix = prefix;
    this.#files = files;
    this.#disk = disk;
    this.#clock = clock;
    this.#random = random;
    this.#requests = new S3Requests(connection);
    this.#retries = new Retries(clock, random);
    this.#uploads = new Uploads(this.#requests, this.#retries);
    this.#downloads = new Downloads(this.#requests, this.#retries);
  }

  async put(key: string, body: Uint8Array): Promise<void> {
    const name = this.#name(key);
    const condition = { ifAbsent: false, writer: null };
    const put = (signal: AbortSignal) => this.#requests.put(name, body, condition, signal);
    found(await this.#retries.ask(`write ${key}`, bodyLimits, put), `write ${key}`);
  }

  /**
   * An answer may be lost, and the try behind it then finds our own object. Each call therefore writes its own name into
   * the object's metadata: who finds the key taken looks whose it is, and so no write that won is ever told to have lost.
   */
  async putIfAbsent(key: string, body: Uint8Array): Promise<"created" | "exists"> {
    const name = this.#name(key);
    const writer = Buffer.from(this.#random.bytes(16)).toString("hex");
    const put = (signal: AbortSignal) => this.#requests.put(name, body, { ifAbsent: true, writer }, signal);
    const answer = await this.#retries.ask(`create ${key}`, limits, put);
    if (answer.ok) return "created";
    if (answer.failure.kind !== "exists") throw failureError(answer.failure, `create ${key}`);
    const head = await this.#retries.ask(`look at ${key}`, limits, (signal) => this.#requests.head(name, signal));
    return found(head, `look at ${key}`, ["absent"])?.writer === writer ? "created" : "exists";
  }

  async adopt(key: string, localPath: string): Promise<void> {
    const name = this.#name(key);
    // A file that is gone was adopted before, if its object is there.
    if ((await this.#disk.stat(localPath)) === null && (await this.stat(key)) !== null) return;
    {
      await using file = await this.#disk.open(localPath, "read");
      await this.#uploads.putFile(name, file, await file.sizeBytes());
    }
    await this.#files.adopt(key, localPath);
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<Uint8Array | null> {
    const name = this.#name(key);
    const about = `read ${key}`;
    if (range === undefined) {
      const get = (within: AbortSignal) => this.#requests.get(name, within);
      return found(await this.#retries.ask(about, bodyLimits, get, signal), about, ["absent"]);
    }
    const { start, length } = range;
    if (length <= 0) return (await this.#stat(key, signal)) === null ? null : new Uint8Array();
    const get = (within: AbortSignal) => this.#requests.getRange(name, start, length, within);
    const answer = await this.#retries.ask(about, limits, get, signal);
    if (!answer.ok && answer.failure.kind === "bad range") return new Uint8Array();
    return found(answer, about, ["absent"])?.bytes ?? null;
  }

  stat(key: string): Promise<ObjectStat | null> {
    return this.#stat(key);
  }

  /** What S3 shows is durable. */
  async settle(key: string): Promise<boolean> {
    return (await this.#stat(key)) !== null;
  }

  async *list(prefix: string, { after, limit, signal }: ListOptions = {}): AsyncIterable<ObjectStat> {
    signal?.throwIfAborted();
    if (!isPrefix(prefix)) return;
    let left = limit ?? Number.POSITIVE_INFINITY;
    let behind = after === undefined || after === "" ? null : this.#prefix + after;
    const about = `list ${prefix === "" ? "its keys" : prefix}`;
    while (left > 0) {
      const [start, most] = [behind, Math.min(pageKeys, left)];
      const list = (within: AbortSignal) => this.#requests.list(this.#prefix + prefix, start, most, within);
      const { objects, isLast } = found(await this.#retries.ask(about, limits, list, signal), about);
      for (const { key, sizeBytes, modifiedMs } of objects) {
        signal?.throwIfAborted();
        yield { key: key.slice(this.#prefix.length), sizeBytes, modifiedMs };
        left--;
      }
      behind = objects.at(-1)?.key ?? null;
      if (isLast || behind === null) return;
    }
  }

  async delete(key: string): Promise<void> {
    const name = this.#name(key);
    const remove = (signal: AbortSignal) => this.#requests.delete(name, signal);
    found(await this.#retries.ask(`delete ${key}`, limits, remove), `delete ${key}`, ["absent"]);
    await this.#files.forget(key);
  }

  async local(key: string, signal?: AbortSignal): Promise<LocalObject | null> {
    signal?.throwIfAborted();
    const name = this.#name(key);
    return await this.#files.open(key, (sink, within) => this.#downloads.read(name, sink, within), signal);
  }

  /** Drops uploads that were begun a day ago or earlier and never finished: their process is gone. */
  async dropAbandonedUploads(signal: AbortSignal): Promise<number> {
    const list = (within: AbortSignal) => this.#requests.uploads(this.#prefix, within);
    const uploads = found(await this.#retries.ask("list unfinished uploads", limits, list, signal), "list uploads");
    const abandoned = uploads.filter(({ begunMs }) => begunMs < this.#clock.now() - abandonedAfterMs);
    for (const { key, upload } of abandoned) {
      const drop = (within: AbortSignal) => this.#requests.abortUpload(key, upload, within);
      found(await this.#retries.ask(`drop an upload of ${key}`, limits, drop, signal), "drop an upload", ["absent"]);
    }
    return abandoned.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#requests[Symbol.dispose]();
    await this.#files[Symbol.asyncDispose]();
  }

  /**
   * By a read of one byte: the answer to HEAD has no body, so that where it says 404 the bucket may be what is absent, and a
   * bucket that is gone must never be taken for a store without objects. Only an empty object needs HEAD behind that.
   */
  async #stat(key: string, signal?: AbortSignal): Promise<ObjectStat | null> {
    const name = this.#name(key);
    const about = `look at ${key}`;
    const read = (within: AbortSignal) => this.#requests.getRange(name, 0, 1, within);
    const answer = await this.#retries.ask(about, limits, read, signal);
    if (answer.ok) return { key, sizeBytes: answer.value.sizeBytes, modifiedMs: answer.value.modifiedMs };
    if (answer.failure.kind !== "bad range") return nothing(answer.failure, about);
    const head = (within: AbortSignal) => this.#requests.head(name, within);
    const empty = found(await this.#retries.ask(about, limits, head, signal), about, ["absent"]);
    return empty === null ? null : { key, sizeBytes: empty.sizeBytes, modifiedMs: empty.modifiedMs };
  }

  #name(key: string): string {
    checkKey(key);
    return this.#prefix + key;
  }
}

/** @throws the failure unless it is absence */
function nothing(failure: Failure, about: string): null {
  if (failure.kind === "absent") return null;
  throw failureError(failure, about);
}

function found<Value>(answer: Answer<Value>, about: string): Value;
function found<Value>(answer: Answer<Value>, about: string, none: readonly Failure["kind"][]): Value | null;
/** The answer's value; null where it failed in one of the ways that mean "nothing there". @throws the failure */
function found<Value>(answer: Answer<Value>, about: string, none: readonly Failure["kind"][] = []): Value | null {
  if (answer.ok) return answer.value;
  if (none.includes(answer.failure.kind)) return null;
  throw failureError(answer.failure, about);
}
