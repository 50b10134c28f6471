import { createHash } from "node:crypto";
import path from "node:path";
import type { Disk, DiskFile } from "../../base/index.ts";
import { LineCounter } from "../convert/lines.ts";
import { detectionBytes } from "../formats/detect.ts";
import { JsonElements } from "../formats/json-elements.ts";
import type { Encoding } from "../formats/spec.ts";
import { decode, type Meter, refusingUtf16 } from "./decode.ts";
import { Gather } from "./gather.ts";
import { diskError } from "./log.ts";

/** Bodies up to this size stay in memory; larger ones go to a file, as many bytes at a time. */
const inMemoryBytes = 1 << 20;
const blockBytes = 1 << 16;

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
  /** Whether the body is text: its lines are counted. */
  readonly countLines: boolean;
  /** Room to leave at the beginning of the file. */
  readonly headBytes: number;
  /** Asked as bytes come in; throws where the server has no place for more. */
  readonly admit: (bytes: number) => void;
  /** Told as bytes come in. */
  readonly meter: Meter;
  readonly signal: AbortSignal;
}

/** Reads a body to its end in constant memory. @throws bad_input (broken compression, no JSON, UTF-16), disk_full */
export async function takeBody(body: AsyncIterable<Uint8Array>, options: TakeOptions): Promise<TakenBody> {
  const hash = options.hashed ? createHash("sha256") : null;
  const counter = options.countLines ? new LineCounter() : null;
  const first = new Gather(4_096);
  await using sink = new BodySink(options);
  try {
    for await (const bytes of contentOf(body, options)) {
      options.signal.throwIfAborted();
      if (bytes.length === 0) continue;
      options.admit(bytes.length);
      options.meter.bytes += bytes.length;
      hash?.update(bytes);
      counter?.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
      if (first.sizeBytes < detectionBytes) first.add(bytes.subarray(0, detectionBytes - first.sizeBytes));
      await sink.write(bytes);
    }
    const { bytes, file, headBytes } = await sink.end();
    const lines = counter?.end() ?? null;
    return {
      bytes,
      file,
      headBytes,
      sizeBytes: sink.sizeBytes,
      first: first.take(),
      hash: hash?.digest("hex") ?? "",
      lines,
    };
  } catch (cause) {
    await sink.discard();
    throw diskError(cause);
  }
}

/** The decoded body; its JSON elements as lines, where they are to be. */
async function* contentOf(body: AsyncIterable<Uint8Array>, options: TakeOptions): AsyncIterable<Uint8Array> {
  const decoded = decode(body, options.encoding, options.meter);
  const content = options.countLines ? refusingUtf16(decoded) : decoded;
  if (!options.jsonElements) {
    yield* content;
    return;
  }
  const elements = new JsonElements();
  for await (const chunk of content) yield elements.push(chunk);
  yield elements.end();
}

/** Holds a body while it is small, and puts a larger one into its file. */
class BodySink implements AsyncDisposable {
  readonly #options: TakeOptions;
  readonly #held = new Gather(blockBytes);
  #file: DiskFile | null = null;
  #position: number;
  sizeBytes = 0;

  constructor(options: TakeOptions) {
    this.#options = options;
    this.#position = options.headBytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.sizeBytes += bytes.length;
    this.#held.add(bytes);
    if (this.#held.sizeBytes > inMemoryBytes) await this.#flush();
  }

  /** The body in memory, or in its file: then durable, where that is asked for. */
  async end(): Promise<Pick<TakenBody, "bytes" | "file" | "headBytes">> {
    if (this.#file === null) return { bytes: this.#held.take(), file: null, headBytes: 0 };
    const { disk, path: file, durable, headBytes } = this.#options;
    await this.#flush();
    if (durable) {
      await this.#file.sync();
      await disk.syncDirectory(path.dirname(file));
    }
    return { bytes: null, file, headBytes };
  }

  async discard(): Promise<void> {
    const { disk, path: file } = this.#options;
    await this[Symbol.asyncDispose]();
    await disk.remove(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.[Symbol.asyncDispose]();
  }

  async #flush(): Promise<void> {
    this.#file ??= await this.#options.disk.open(this.#options.path, "write");
    const bytes = this.#held.take();
    await this.#file.write(bytes, this.#position);
    this.#position += bytes.length;
  }
}
