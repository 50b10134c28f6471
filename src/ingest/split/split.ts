import { detectCsv } from "../formats/csv-dialect.ts";
import type { FormatSpec } from "../formats/spec.ts";

/** A part of a file: whole records, and the line it begins with. */
export interface Part {
  readonly bytes: readonly Uint8Array[];
  readonly firstLine: number;
}

const partBytes = 32 << 20;
const lineFeed = 10;
const quote = 34;

/**
 * Cuts a decoded stream into parts of about 32 MiB between records, in memory of one part. Lines are cut at line breaks;
 * CSV at line breaks outside of quotes, its header repeated in each part. What has no lines (a JSON array, Parquet, Arrow)
 * is one part.
 */
export async function* splitRecords(stream: AsyncIterable<Uint8Array>, format: FormatSpec): AsyncIterable<Part> {
  switch (format.kind) {
    case "ndjson":
    case "text":
      yield* splitLines(stream, () => lastBreak);
      return;
    case "csv":
      yield* withHeader(splitLines(stream, quotedBreaks), format);
      return;
    case "json":
    case "parquet":
    case "arrow":
      yield { bytes: await collect(stream), firstLine: 1 };
      return;
  }
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return pieces;
}

/** Finds where a chunk may be cut: behind its last record's break, or -1. */
type FindCut = (chunk: Uint8Array) => number;

const lastBreak: FindCut = (chunk) => chunk.lastIndexOf(lineFeed);

/** Outside of quotes an even number of them has passed: doubled quotes inside a field change nothing. */
function quotedBreaks(): FindCut {
  let inQuotes = false;
  return (chunk) => {
    let cut = -1;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at];
      if (byte === quote) inQuotes = !inQuotes;
      else if (byte === lineFeed && !inQuotes) cut = at;
    }
    return cut;
  };
}

async function* splitLines(stream: AsyncIterable<Uint8Array>, makeCut: () => FindCut): AsyncIterable<Part> {
  const findCut = makeCut();
  let held: Uint8Array[] = [];
  let size = 0;
  let line = 1;
  for await (const chunk of stream) {
    const cut = findCut(chunk);
    if (cut < 0 || size + cut + 1 < partBytes) {
      held.push(chunk);
      size += chunk.length;
      continue;
    }
    held.push(chunk.subarray(0, cut + 1));
    yield { bytes: held, firstLine: line };
    line += held.reduce((sum, piece) => sum + countBreaks(piece), 0);
    const rest = chunk.subarray(cut + 1);
    held = rest.length === 0 ? [] : [rest];
    size = rest.length;
  }
  if (size > 0 || line === 1) yield { bytes: held, firstLine: line };
}

function countBreaks(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, at + 1)) count++;
  return count;
}

/** Gives every part but the first the header's line; the part's line numbers go on counting from its own records. */
async function* withHeader(parts: AsyncIterable<Part>, format: FormatSpec & { kind: "csv" }): AsyncIterable<Part> {
  let header: Uint8Array | null = null;
  for await (const part of parts) {
    if (header === null) {
      const first = Buffer.concat(part.bytes.slice(0, 1));
      const dialect = detectCsv(first, format);
      header = dialect.header ? first.subarray(0, headerEnd(first)) : new Uint8Array();
      yield part;
    } else yield header.length === 0 ? part : { bytes: [header, ...part.bytes], firstLine: part.firstLine - 1 };
  }
}

function headerEnd(bytes: Uint8Array): number {
  let inQuotes = false;
  for (let at = 0; at < bytes.length; at++) {
    if (bytes[at] === quote) inQuotes = !inQuotes;
    else if (bytes[at] === lineFeed && !inQuotes) return at + 1;
  }
  return bytes.length;
}
