import { createHash } from "node:crypto";
import path from "node:path";
import { PassThrough, Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { type Disk, type DiskFile, MillraceError } from "../../base/index.ts";
import { LineCounter } from "../convert/lines.ts";
import { detectionBytes } from "../formats/detect.ts";
import { JsonElements } from "../formats/json-elements.ts";
import type { Encoding } from "../formats/spec.ts";
import { diskError } from "./log.ts";

/** Bodies up to this size stay in memory; larger ones go to a file. */
const inMemoryBytes = 1 << 20;
/** Chunks come in small; the file is written in large ones. */
const writeBytes = 1 << 20;

/** A decoded body: JSON arrays are lines by now. */
export interface TakenBody {
  readonly bytes: Uint8Array | null;
  /** The file it stands in, where `bytes` is null. Synced when asked for. */
  readonly file: string | null;
  readonly sizeBytes: number;
  readonly first: Uint8Array;
  readonly hash: string;
  /** Lines that are not blank, where they were counted. */
  readonly lines: number | null;
  /** Bytes of room before the body in the file. */
  readonly headBytes: number;
}

/** How much of a body has come. */
export interface Meter {
  /** Decoded. */
  bytes: number;
  wireBytes: number;
}

export interface TakeOptions {
  readonly encoding: Encoding;
  /** JSON elements are turned into lines. */
  readonly jsonElements: boolean;
  readonly disk: Disk;
  /** Where a large body goes. */
  readonly path: string;
  readonly durable: boolean;
  /** Whether the body's hash is wanted: it is, where a key may come again. */
  readonly hashed: boolean;
  readonly countLines: boolean;
  /** Room to leave at the beginning of the file. */
  readonly headBytes: number;
  /** Asked as bytes come in; throws where the server has no place for more. */
  readonly admit: (bytes: number) => void;
  /** Told as bytes come in. */
  readonly meter: Meter;
  readonly signal: AbortSignal;
}

/** Reads a body to its end in constant memory. @throws bad_input (broken compression, no JSON), disk_full */
export async function takeBody(body: AsyncIterable<Uint8Array>, options: TakeOptions): Promise<TakenBody> {
  const hash = createHash("sha256");
  const elements = options.jsonElements ? new JsonElements() : null;
  const held: Uint8Array[] = [];
  let first = Buffer.alloc(0);
  let sizeBytes = 0;
  // An object, because the compiler does not see that a nested function assigns.
  const spool = {
    file: null as DiskFile | null,
    position: options.headBytes,
    waiting: [] as Uint8Array[],
    waitingBytes: 0,
    async write(bytes: Uint8Array) {
      this.waiting.push(bytes);
      this.waitingBytes += bytes.length;
      if (this.waitingBytes >= writeBytes) await this.flush();
    },
    async flush() {
      const bytes = Buffer.concat(this.waiting.splice(0));
      this.waitingBytes = 0;
      await this.file?.write(bytes, this.position);
      this.position += bytes.length;
    },
  };
  const counter = options.countLines ? new LineCounter() : null;
  const take = async (bytes: Uint8Array) => {
    if (bytes.length === 0) return;
    options.admit(bytes.length);
    sizeBytes += bytes.length;
    options.meter.bytes += bytes.length;
    if (options.hashed) hash.update(bytes);
    if (first.length < detectionBytes) first = Buffer.concat([first, bytes.subarray(0, detectionBytes - first.length)]);
    counter?.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    if (spool.file === null && sizeBytes <= inMemoryBytes) {
      held.push(bytes);
      return;
    }
    if (spool.file === null) {
      spool.file = await options.disk.open(options.path, "write");
      for (const piece of held.splice(0)) await spool.write(piece);
    }
    await spool.write(bytes);
  };
  try {
    for await (const chunk of decoded(metered(body, options.meter), options.encoding)) {
      options.signal.throwIfAborted();
      await take(elements === null ? chunk : elements.push(chunk));
    }
    if (elements !== null) await take(elements.end());
    await spool.flush();
    if (options.durable && spool.file !== null) {
      await spool.file.sync();
      await options.disk.syncDirectory(path.dirname(options.path));
    }
    await spool.file?.[Symbol.asyncDispose]();
  } catch (cause) {
    await spool.file?.[Symbol.asyncDispose]();
    await options.disk.remove(options.path);
    throw diskError(cause);
  }
  const inFile = spool.file !== null;
  return {
    lines: counter?.end() ?? null,
    bytes: inFile ? null : Buffer.concat(held),
    file: inFile ? options.path : null,
    sizeBytes,
    headBytes: inFile ? options.headBytes : 0,
    first,
    hash: hash.digest("hex"),
  };
}

async function* metered(body: AsyncIterable<Uint8Array>, meter: Meter): AsyncIterable<Uint8Array> {
  for await (const chunk of body) {
    meter.wireBytes += chunk.length;
    yield chunk;
  }
}

async function* decoded(body: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncIterable<Uint8Array> {
  if (encoding === "identity") {
    yield* body;
    return;
  }
  const decoder: Transform = encoding === "gzip" ? createGunzip() : createZstdDecompress();
  const source = Readable.from(body);
  const out = new PassThrough();
  source.on("error", (error) => out.destroy(error));
  decoder.on("error", (error) => out.destroy(error));
  source.pipe(decoder).pipe(out);
  try {
    yield* out;
  } catch (cause) {
    if (
      cause instanceof MillraceError ||
      !(cause instanceof Error) ||
      !("code" in cause) ||
      !/^(Z_|ERR_ZSTD|ZSTD_|ERR_ZLIB)/.test(String(cause.code))
    )
      throw cause;
    throw new MillraceError("bad_input", `The body is not valid ${encoding}: ${cause.message}.`, { cause });
  }
}
