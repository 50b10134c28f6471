import { CsvBreaks } from "../formats/csv-breaks.ts";
import { detectCsv } from "../formats/csv-dialect.ts";
import { detectionBytes } from "../formats/detect.ts";
import { JsonElements } from "../formats/json-elements.ts";
import type { FormatSpec } from "../formats/spec.ts";

/** A part of a file: whole records, and the line (of a JSON array: the element) it begins with. */
export interface Part {
  readonly bytes: readonly Uint8Array[];
  readonly firstLine: number;
  /** Line breaks in it. */
  readonly lines: number;
}

/** Part of what proves on a second run that a part is the same: changing it makes interrupted imports begin anew. */
const partBytes = 64 << 20;
const lineFeed = 10;

/** The format that the parts of a file have: a JSON array is cut into lines. */
export function partFormat(format: FormatSpec): FormatSpec {
  return format.kind === "json" ? { kind: "ndjson" } : format;
}

/**
 * Cuts a decoded stream into parts of at least 64 MiB: each ends with the first record that reaches that size, so the cuts
 * depend on the content alone, never on how the stream was chunked. Lines are cut at line breaks; CSV at line breaks outside
 * of quotes, its header repeated in each part; a JSON array becomes lines. Memory of one part. Parquet and Arrow, which
 * have no records to cut between, are one part.
 */
export async function* splitRecords(
  stream: AsyncIterable<Uint8Array>,
  format: FormatSpec,
  sizeBytes = partBytes,
): AsyncIterable<Part> {
  switch (format.kind) {
    case "ndjson":
    case "text":
      yield* cut(stream, sizeBytes, new LineCuts());
      return;
    case "json":
      yield* cut(elementLines(stream), sizeBytes, new LineCuts());
      return;
    case "csv":
      yield* csvParts(stream, format, sizeBytes);
      return;
    case "parquet":
    case "arrow":
      yield { bytes: await collect(stream), firstLine: 1, lines: 0 };
      return;
  }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

async function* elementLines(stream: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const elements = new JsonElements();
  for await (const chunk of stream) yield elements.push(chunk);
  yield elements.end();
}

interface Cuts {
  /** Index of the first break at or behind `from` that ends a record, or -1; `at` before `from` was passed by already. */
  next(chunk: Uint8Array, passed: number, from: number): number;
}

class LineCuts implements Cuts {
  next(chunk: Uint8Array, _passed: number, from: number): number {
    return chunk.indexOf(lineFeed, from);
  }
}

class QuotedCuts implements Cuts {
  readonly #breaks: CsvBreaks;

  constructor(delimiter: string) {
    this.#breaks = new CsvBreaks(delimiter);
  }

  next(chunk: Uint8Array, passed: number, from: number): number {
    return this.#breaks.nextEnd(chunk, passed, from);
  }
}

async function* cut(stream: AsyncIterable<Uint8Array>, sizeBytes: number, cuts: Cuts): AsyncIterable<Part> {
  let held: Uint8Array[] = [];
  let size = 0;
  let line = 1;
  for await (const chunk of stream) {
    let start = 0;
    for (;;) {
      const at = cuts.next(chunk, start, start + Math.max(0, sizeBytes - size - 1));
      if (at < 0) break;
      held.push(chunk.subarray(start, at + 1));
      const lines = countBreaks(held);
      yield { bytes: held, firstLine: line, lines };
      line += lines;
      held = [];
      size = 0;
      start = at + 1;
    }
    if (start === chunk.length) continue;
    held.push(chunk.subarray(start));
    size += chunk.length - start;
  }
  if (size > 0 || line === 1) yield { bytes: held, firstLine: line, lines: countBreaks(held) };
}

function countBreaks(pieces: readonly Uint8Array[]): number {
  let count = 0;
  for (const bytes of pieces)
    for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, at + 1)) count++;
  return count;
}

/** Gives every part but the first the header's record; line numbers go on counting the file's own lines. */
async function* csvParts(
  stream: AsyncIterable<Uint8Array>,
  format: FormatSpec & { kind: "csv" },
  sizeBytes: number,
): AsyncIterable<Part> {
  const { first, all } = await peek(stream);
  const dialect = detectCsv(first, format);
  const header = dialect.header ? first.subarray(0, headerEnd(first, dialect.delimiter)) : new Uint8Array();
  const headerLines = countBreaks([header]);
  for await (const part of cut(all, sizeBytes, new QuotedCuts(dialect.delimiter))) {
    if (part.firstLine === 1 || header.length === 0) yield part;
    else {
      const { bytes, firstLine, lines } = part;
      yield { bytes: [header, ...bytes], firstLine: firstLine - headerLines, lines: lines + headerLines };
    }
  }
}

/** The stream's first bytes, and the whole stream. */
async function peek(stream: AsyncIterable<Uint8Array>): Promise<{ first: Buffer; all: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  let size = 0;
  while (size < detectionBytes) {
    const next = await iterator.next();
    if (next.done === true) break;
    seen.push(next.value);
    size += next.value.length;
  }
  async function* all() {
    yield* seen;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  }
  return { first: Buffer.concat(seen), all: all() };
}

function headerEnd(bytes: Uint8Array, delimiter: string): number {
  const breaks = new CsvBreaks(delimiter);
  for (let at = 0; at < bytes.length; at++) if (breaks.ends(bytes[at] ?? 0)) return at + 1;
  return bytes.length;
}
