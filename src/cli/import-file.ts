import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { MillraceError } from "../base/index.ts";
import {
  detectEncoding,
  detectFormat,
  detectionBytes,
  type FormatSpec,
  parseFormat,
  resolveFormat,
} from "../ingest/index.ts";
import { ReadBuffers } from "./read-buffers.ts";

const edgeBytes = 1 << 20;

/** A file about to be imported: what it is, and what proves on the next run that it is the same one. */
export interface ImportFile extends AsyncDisposable {
  readonly name: string;
  readonly sizeBytes: number;
  readonly format: FormatSpec;
  /** Says the same for the same content: a hash over size, first and last bytes. */
  readonly fingerprint: string;
  /** The decoded content from the start. `read` is told the bytes of the file as they are consumed. */
  content(read: (bytes: number) => void): AsyncIterable<Uint8Array>;
  /** Says that pieces of the content are no longer needed. */
  release(pieces: readonly Uint8Array[]): void;
}

/** @throws bad_input where the file cannot be read, unknown_format */
export async function openImportFile(name: string, format: string | undefined, again: boolean): Promise<ImportFile> {
  const given = format === undefined ? null : parseFormat(format);
  const handle = await openFile(name);
  try {
    const { size, mtimeMs } = await handle.stat();
    const encoding = detectEncoding(await readAt(handle, 0, 16));
    const buffers = new ReadBuffers();
    const content = (read: (bytes: number) => void) => decoded({ handle, buffers }, encoding, read);
    const first = await firstBytes(content(() => {}));
    const hash = createHash("sha256").update(`${size}\n${again ? `${mtimeMs} ${Date.now()}` : ""}\n`);
    hash
      .update(await readAt(handle, 0, edgeBytes))
      .update(await readAt(handle, Math.max(0, size - edgeBytes), edgeBytes));
    return {
      name: path.basename(name),
      sizeBytes: size,
      format: withDialect(given ?? detectFormat(path.basename(name), first), first),
      fingerprint: hash.digest("hex").slice(0, 32),
      content,
      release: (pieces) => buffers.release(pieces),
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Each part of a CSV is read in the dialect of the whole file, which the first bytes tell. */
function withDialect(format: FormatSpec, first: Uint8Array): FormatSpec {
  return format.kind === "json" ? format : resolveFormat(format, first);
}

async function openFile(name: string): Promise<FileHandle> {
  try {
    const handle = await open(name, "r");
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (cause) {
    throw new MillraceError("bad_input", `The file ${name} cannot be read.`, { cause, hint: "Is the path right?" });
  }
  throw new MillraceError("bad_input", `${name} is not a file.`);
}

async function readAt(handle: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

async function firstBytes(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of content) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= detectionBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, detectionBytes);
}

interface Source {
  readonly handle: FileHandle;
  readonly buffers: ReadBuffers;
}

async function* decoded(source: Source, encoding: string, read: (bytes: number) => void): AsyncIterable<Uint8Array> {
  const raw = rawBytes(source, read);
  if (encoding === "identity") yield* raw;
  else yield* Readable.from(raw).compose(encoding === "gzip" ? createGunzip() : createZstdDecompress());
}

async function* rawBytes({ handle, buffers }: Source, told: (bytes: number) => void): AsyncIterable<Uint8Array> {
  for (let position = 0; ; ) {
    const buffer = buffers.take();
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    told(bytesRead);
    yield buffers.filled(buffer, bytesRead);
  }
}
