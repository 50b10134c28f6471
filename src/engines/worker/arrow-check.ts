import type { FileHandle } from "node:fs/promises";
import { JobFailure } from "./failure.ts";

// The library that reads Arrow trusts the lengths it reads: a few hostile bytes would have it fill the process's memory.
// So the metadata of a body is checked against its bounds before the library sees it. Tables and slots are those of the
// Arrow columnar format's Schema.fbs, Message.fbs and File.fbs.

type Slot =
  | { readonly kind: "fixed"; readonly bytes: number }
  | { readonly kind: "text" }
  | { readonly kind: "items"; readonly bytes: number }
  | { readonly kind: "table" | "tables"; readonly of: () => Table }
  /** The slot in front of it says which. */
  | { readonly kind: "union"; readonly of: Readonly<Record<number, () => Table>> };
type Table = readonly Slot[];

/** What the header of a message is. */
const kinds = { schema: 1, dictionaryBatch: 2, recordBatch: 3 } as const;

const fixed = (bytes: number): Slot => ({ kind: "fixed", bytes });
const items = (bytes: number): Slot => ({ kind: "items", bytes });
const table = (of: () => Table): Slot => ({ kind: "table", of });
const tables = (of: () => Table): Slot => ({ kind: "tables", of });
const text: Slot = { kind: "text" };

const keyValue: Table = [text, text];
const int: Table = [fixed(4), fixed(1)];
const plainTypes = Object.fromEntries(
  [1, 4, 5, 6, 12, 13, 19, 20, 21, 22, 23, 24, 25, 26].map((type) => [type, (): Table => []]),
);
const types: Readonly<Record<number, () => Table>> = {
  ...plainTypes,
  2: () => int,
  3: () => [fixed(2)],
  7: () => [fixed(4), fixed(4), fixed(4)],
  8: () => [fixed(2)],
  9: () => [fixed(2), fixed(4)],
  10: () => [fixed(2), text],
  11: () => [fixed(2)],
  14: () => [fixed(2), items(4)],
  15: () => [fixed(4)],
  16: () => [fixed(4)],
  17: () => [fixed(1)],
  18: () => [fixed(2)],
};
const dictionary: Table = [fixed(8), table(() => int), fixed(1), fixed(2)];
const field: Table = [
  text,
  fixed(1),
  fixed(1),
  { kind: "union", of: types },
  table(() => dictionary),
  tables(() => field),
  tables(() => keyValue),
];
const schema: Table = [fixed(2), tables(() => field), tables(() => keyValue), items(8)];
const recordBatch: Table = [fixed(8), items(16), items(16), table(() => [fixed(1), fixed(1)]), items(8)];
const dictionaryBatch: Table = [fixed(8), table(() => recordBatch), fixed(1)];
const message: Table = [
  fixed(2),
  fixed(1),
  {
    kind: "union",
    of: {
      [kinds.schema]: () => schema,
      [kinds.dictionaryBatch]: () => dictionaryBatch,
      [kinds.recordBatch]: () => recordBatch,
    },
  },
  fixed(8),
  tables(() => keyValue),
];
const footer: Table = [fixed(2), table(() => schema), items(24), items(24), tables(() => keyValue)];

const deepest = 64;
const magic = "ARROW1";
/** A body says no more rows than one bit each would hold, but for a few. */
const mostRows = (fileBytes: number) => Math.max(1_000_000, fileBytes * 8);

/** Looks through the metadata of an Arrow file or stream. @throws JobFailure bad_input where it contradicts itself */
export async function checkArrow(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  try {
    const begin = await bytesAt(file, 0, Math.min(8, size));
    if (begin.toString("latin1", 0, 6) === magic) await checkFile(file, size);
    else await checkStream(file, size);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw refused("its metadata points out of itself");
  }
}

async function checkFile(file: FileHandle, size: number): Promise<void> {
  const end = await bytesAt(file, size - 10, 10);
  const length = end.readInt32LE(0);
  if (end.toString("latin1", 4) !== magic || length <= 0 || length > size - 18) throw refused("its footer is cut");
  const metadata = await bytesAt(file, size - 10 - length, length);
  const root = new Walk(metadata);
  const at = root.table(metadata.readUInt32LE(0), footer, 0);
  for (const [slot, kind] of [
    [2, kinds.dictionaryBatch],
    [3, kinds.recordBatch],
  ] as const) {
    const blocks = root.items(at, slot, 24);
    for (let block = 0; block < blocks.count; block++) {
      const start = blocks.at + block * 24;
      const from = Number(metadata.readBigInt64LE(start));
      const metadataBytes = metadata.readInt32LE(start + 8);
      const bodyBytes = Number(metadata.readBigInt64LE(start + 16));
      if (from < 0 || metadataBytes < 8 || bodyBytes < 0 || from + metadataBytes + bodyBytes > size) {
        throw refused("its footer points out of it");
      }
      const said = checkMessage(await bytesAt(file, from, metadataBytes), size);
      // The library would look for a batch in any other message for ever.
      if (said.kind !== kind) throw refused("its footer points to something else");
    }
  }
}

async function checkStream(file: FileHandle, size: number): Promise<void> {
  for (let at = 0; at + 4 <= size; ) {
    const head = await bytesAt(file, at, Math.min(8, size - at));
    const isContinued = head.readInt32LE(0) === -1;
    if (isContinued && head.length < 8) throw refused("it is cut");
    const length = head.readInt32LE(isContinued ? 4 : 0);
    const start = at + (isContinued ? 8 : 4);
    if (length === 0) return;
    if (length < 0 || start + length > size) throw refused("it is cut");
    const { bodyBytes } = checkMessage(await bytesAt(file, at, start - at + length), size);
    at = start + length + bodyBytes;
    if (at > size) throw refused("it is cut");
  }
}

/** A message with its prefix. */
function checkMessage(prefixed: Buffer, size: number): { kind: number; bodyBytes: number } {
  const bytes = prefixed.subarray(prefixed.readInt32LE(0) === -1 ? 8 : 4);
  const walk = new Walk(bytes);
  const at = walk.table(bytes.readUInt32LE(0), message, 0);
  const bodyBytes = walk.int64(at, 3);
  if (bodyBytes < 0 || bodyBytes > size) throw refused("a body is longer than the whole");
  const kind = walk.byte(at, 1);
  const header = walk.follow(at, 2);
  const isDictionary = kind === kinds.dictionaryBatch && header !== 0;
  const batch = kind === kinds.recordBatch ? header : isDictionary ? walk.follow(header, 1) : 0;
  if (batch !== 0) checkBatch(walk, bytes, batch, bodyBytes, mostRows(size));
  return { kind, bodyBytes };
}

function checkBatch(walk: Walk, bytes: Buffer, at: number, bodyBytes: number, most: number): void {
  const isCount = (value: number) => value >= 0 && value <= most;
  if (!isCount(walk.int64(at, 0))) throw refused("it says more rows than it can hold");
  for (const [slot, limit] of [
    [1, most],
    [2, bodyBytes],
  ] as const) {
    const pairs = walk.items(at, slot, 16);
    for (let pair = 0; pair < pairs.count; pair++) {
      const first = Number(bytes.readBigInt64LE(pairs.at + pair * 16));
      const second = Number(bytes.readBigInt64LE(pairs.at + pair * 16 + 8));
      const reach = slot === 1 ? Math.max(first, second) : first + second;
      if (first < 0 || second < 0 || reach > limit) throw refused("a column is longer than it can be");
    }
  }
}

/** A walk over FlatBuffers tables; what lies outside of the buffer throws a RangeError. */
class Walk {
  readonly #bytes: Buffer;
  /** Tables that may still be visited: offsets that many share could else be followed without end. */
  #left: number;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#left = bytes.length;
  }

  /** Checks a table and all below it. @returns its place */
  table(at: number, slots: Table, depth: number): number {
    if (depth > deepest || --this.#left < 0) throw refused("it is nested too deeply");
    for (const [slot, of] of slots.entries()) this.#slot(at, slot, of, depth);
    return at;
  }

  byte(at: number, slot: number): number {
    const place = this.#place(at, slot);
    return place === 0 ? 0 : this.#bytes.readUInt8(place);
  }

  int64(at: number, slot: number): number {
    const place = this.#place(at, slot);
    return place === 0 ? 0 : Number(this.#bytes.readBigInt64LE(place));
  }

  /** Where an offset leads, or 0 where there is none. */
  follow(at: number, slot: number): number {
    const place = this.#place(at, slot);
    return place === 0 ? 0 : place + this.#bytes.readUInt32LE(place);
  }

  items(at: number, slot: number, itemBytes: number): { at: number; count: number } {
    const start = this.follow(at, slot);
    if (start === 0) return { at: 0, count: 0 };
    const count = this.#bytes.readUInt32LE(start);
    if (start + 4 + count * itemBytes > this.#bytes.length) throw refused("its metadata points out of itself");
    return { at: start + 4, count };
  }

  #slot(at: number, slot: number, of: Slot, depth: number): void {
    const place = this.#place(at, slot);
    if (place === 0) return;
    switch (of.kind) {
      case "fixed":
        if (place + of.bytes > this.#bytes.length) throw refused("its metadata points out of itself");
        return;
      case "text":
        this.items(at, slot, 1);
        return;
      case "items":
        this.items(at, slot, of.bytes);
        return;
      case "table":
        this.table(this.follow(at, slot), of.of(), depth + 1);
        return;
      case "tables": {
        const { at: first, count } = this.items(at, slot, 4);
        for (let item = 0; item < count; item++) {
          const entry = first + item * 4;
          this.table(entry + this.#bytes.readUInt32LE(entry), of.of(), depth + 1);
        }
        return;
      }
      case "union": {
        const inner = of.of[this.byte(at, slot - 1)];
        if (inner !== undefined) this.table(this.follow(at, slot), inner(), depth + 1);
      }
    }
  }

  #place(at: number, slot: number): number {
    const vtable = at - this.#bytes.readInt32LE(at);
    const entry = 4 + slot * 2;
    if (entry + 2 > this.#bytes.readUInt16LE(vtable)) return 0;
    const offset = this.#bytes.readUInt16LE(vtable + entry);
    return offset === 0 ? 0 : at + offset;
  }
}

async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  if (position < 0 || length < 0) throw refused("it is cut");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead < length) throw refused("it is cut");
  return buffer;
}

function refused(why: string): JobFailure {
  return new JobFailure({ code: "bad_input", message: `The body is no Arrow IPC file or stream: ${why}.` });
}
