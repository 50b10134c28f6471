import { createHash } from "node:crypto";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { z } from "zod";
import { MillraceError } from "../../base/index.ts";
import { type Multihash, multihash, sha3Multihash } from "../../slices/index.ts";
import { readNotes } from "../chain/extra.ts";
import { decodeBlock } from "../odf/index.ts";
import { type Milestone, milestoneShape } from "./milestone.ts";

/**
 * A pack, in bytes:
 *
 *   "millpack" ▸ u16 version ▸ u32 length of the header ▸ header (JSON) ▸ sha3-256 of all before
 *   ▸ zstd( u32 length of each block ▸ the blocks ) ▸ sha3-256 of all before
 *
 * The header stands alone, so that a search reads it without the blocks. Hashes of blocks are not kept: each is the sha3-256
 * of its bytes, and named by the block behind it. Numbers are little-endian.
 */
const magic = Buffer.from("millpack");
const version = 1;
const prefixBytes = magic.length + 2 + 4;
const digestBytes = 32;
/** Of what a damaged length could make anybody allocate. */
const mostHeaderBytes = 64 << 20;
const mostBlockBytes = 1 << 30;

/** Where a past holds rows that could not be read. */
export interface PackedQuarantine {
  readonly seq: number;
  readonly hash: Multihash;
  readonly rows: number;
  readonly sizeBytes: number;
}

export interface PackHeader {
  readonly firstSeq: number;
  readonly count: number;
  /** What the chain amounted to before the first block. */
  readonly base: Milestone;
  readonly quarantines: readonly PackedQuarantine[];
  /** The first four bytes of each block's hash: a search by hash reads no pack in vain. */
  readonly prints: Uint32Array;
}

export interface PackContent {
  readonly header: PackHeader;
  readonly hashes: readonly Multihash[];
  readonly blocks: readonly Uint8Array[];
}

const count = z.int().min(0);
const hash = z.string().transform(multihash);
const prints = z.base64().transform((text) => printsOf(Buffer.from(text, "base64")));
const headerShape = z.object({
  firstSeq: count,
  count: z.int().min(1).max(1_000_000),
  base: milestoneShape,
  quarantines: z.array(z.object({ seq: count, hash, rows: count, sizeBytes: count })),
  prints,
});

/** Everybody makes the same pack of the same blocks. */
export function encodePack(base: Milestone, blocks: readonly Uint8Array[]): Uint8Array {
  const facts = blocks.map((bytes, index) => factsOf(base.seq + 1 + index, bytes));
  const header = {
    firstSeq: base.seq + 1,
    count: blocks.length,
    base,
    quarantines: facts.flatMap((one) => one.quarantine ?? []),
    prints: base64Of(facts.map((one) => printOf(one.hash))),
  };
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(prefixBytes);
  magic.copy(prefix);
  prefix.writeUInt16LE(version, magic.length);
  prefix.writeUInt32LE(json.length, magic.length + 2);
  const head = Buffer.concat([prefix, json, digestOf(prefix, json)]);
  const lengths = Buffer.alloc(4 * blocks.length);
  for (const [index, block] of blocks.entries()) lengths.writeUInt32LE(block.length, 4 * index);
  const body = zstdCompressSync(Buffer.concat([lengths, ...blocks]));
  return Buffer.concat([head, body, digestOf(head, body)]);
}

function factsOf(seq: number, bytes: Uint8Array) {
  const { event } = decodeBlock(bytes);
  const noted = event.kind === "AddData" ? readNotes(event).quarantine : undefined;
  const quarantine =
    noted === undefined ? undefined : { seq, hash: noted.physicalHash, rows: noted.rows, sizeBytes: noted.size };
  return { hash: sha3Multihash(bytes), quarantine };
}

/** How many bytes hold the header, from a pack's first ones; null where more must be read to tell. @throws chain_broken */
export function headerBytes(beginning: Uint8Array): number | null {
  if (beginning.length < prefixBytes) return null;
  const bytes = Buffer.from(beginning.buffer, beginning.byteOffset, beginning.byteLength);
  if (!bytes.subarray(0, magic.length).equals(magic)) throw damaged("it is no pack");
  const found = bytes.readUInt16LE(magic.length);
  if (found !== version) throw newer(found);
  const length = bytes.readUInt32LE(magic.length + 2);
  if (length > mostHeaderBytes) throw damaged("its header is too long");
  return prefixBytes + length + digestBytes;
}

/** From the first bytes of a pack. @throws chain_broken on any that are not its header; unsupported_version */
export function decodeHeader(beginning: Uint8Array): PackHeader {
  const length = headerBytes(beginning);
  if (length === null || beginning.length < length) throw damaged("it is cut off");
  const json = beginning.subarray(prefixBytes, length - digestBytes);
  if (!digestOf(beginning.subarray(0, length - digestBytes)).equals(beginning.subarray(length - digestBytes, length)))
    throw damaged("its header's bytes are not those that its hash says");
  const parsed = headerShape.safeParse(parseJson(json));
  if (!parsed.success) throw damaged("its header cannot be read");
  const { data } = parsed;
  if (data.prints.length !== data.count) throw damaged("its header has another number of hashes than of blocks");
  if (data.base.seq !== data.firstSeq - 1) throw damaged("its header begins elsewhere");
  return data;
}

/** @throws chain_broken on bytes that are no pack, or not whole; unsupported_version on one of a newer format */
export function decodePack(bytes: Uint8Array): PackContent {
  const header = decodeHeader(bytes);
  const from = headerBytes(bytes) ?? 0;
  const end = bytes.length - digestBytes;
  if (end < from || !digestOf(bytes.subarray(0, end)).equals(bytes.subarray(end)))
    throw damaged("its bytes are not those that its hash says");
  const body = decompress(bytes.subarray(from, end));
  const blocks: Uint8Array[] = [];
  let at = 4 * header.count;
  for (let index = 0; index < header.count; index++) {
    const length = body.readUInt32LE(4 * index);
    blocks.push(body.subarray(at, at + length));
    at += length;
  }
  if (at !== body.length) throw damaged("its blocks have another length than it says");
  return { header, blocks, hashes: blocks.map(sha3Multihash) };
}

function decompress(bytes: Uint8Array): Buffer {
  try {
    return zstdDecompressSync(bytes, { maxOutputLength: mostBlockBytes });
  } catch {
    throw damaged("its blocks cannot be unpacked");
  }
}

/** The first four bytes of a digest, which stands at the end of the text. */
export function printOf(hash: Multihash): number {
  return Number.parseInt(hash.slice(-64, -56), 16);
}

function printsOf(bytes: Buffer): Uint32Array {
  return Uint32Array.from({ length: bytes.length >> 2 }, (_, index) => bytes.readUInt32LE(4 * index));
}

function base64Of(values: readonly number[]): string {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32LE(value, 4 * index);
  return bytes.toString("base64");
}

function digestOf(...parts: readonly Uint8Array[]): Buffer {
  const digest = createHash("sha3-256");
  for (const part of parts) digest.update(part);
  return digest.digest();
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return null;
  }
}

function damaged(reason: string): MillraceError {
  return new MillraceError("chain_broken", `A pack is broken: ${reason}.`, { data: { reason } });
}

function newer(found: number): MillraceError {
  return new MillraceError(
    "unsupported_version",
    `A pack has format version ${found}; this version reads ${version}.`,
    {
      hint: "A newer Millrace wrote it: run that version or a later one.",
    },
  );
}
