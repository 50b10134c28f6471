import { crc32 } from "node:zlib";
import { z } from "zod";
import { MillraceError } from "../../base/index.ts";

/** What the log keeps of a request beside its body. */
export const entryHeader = z.object({
  /** Counts from 1 over the whole log. */
  seq: z.number(),
  ingestId: z.string(),
  datasetId: z.string(),
  dataset: z.string(),
  format: z.string(),
  eventTime: z.string().nullable(),
  key: z.string().nullable(),
  bodyHash: z.string().nullable(),
  by: z.string(),
  traceId: z.string(),
  receivedAtMs: z.number(),
  /** A large body stands in its own file of this name; null: it follows in the frame. */
  spool: z.string().nullable(),
  bodyBytes: z.number(),
  /** As they came, before decoding. */
  wireBytes: z.number(),
  /** Lines of the body that are not blank; null where its format has none, or they were not counted. */
  lines: z.number().nullable(),
  /** Bytes before the body in its own file, kept free for the fast path's first line. */
  headBytes: z.number(),
  /** Bytes of the segment that were synced before this frame was written. */
  syncedBytes: z.number(),
});
export type EntryHeader = z.infer<typeof entryHeader>;

/**
 * Frame: "MLE1", u32 header bytes, u32 body bytes, u32 crc32 over header and body (little endian), header as JSON, body.
 * The checksum begins with the log's own seal, a number that nobody else knows: a body that holds the bytes of a frame is
 * never taken for one.
 */
const magic = 0x31454c4d;
export const prefixBytes = 16;
const longestHeader = 1 << 20;

export function encodeFrame(header: EntryHeader, body: Uint8Array, seal: number): Uint8Array[] {
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32LE(magic, 0);
  prefix.writeUInt32LE(json.length, 4);
  prefix.writeUInt32LE(body.length, 8);
  prefix.writeUInt32LE(crc32(body, crc32(json, seal)), 12);
  return [prefix, json, body];
}

export interface FramePrefix {
  readonly headerBytes: number;
  readonly bodyBytes: number;
  readonly crc: number;
}

/** null where the bytes are no prefix: the log ends there. */
export function decodePrefix(bytes: Uint8Array): FramePrefix | null {
  if (bytes.length < prefixBytes) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, prefixBytes);
  const headerBytes = view.getUint32(4, true);
  if (view.getUint32(0, true) !== magic || headerBytes > longestHeader) return null;
  return { headerBytes, bodyBytes: view.getUint32(8, true), crc: view.getUint32(12, true) };
}

/**
 * null where header or body is not what was written.
 * @throws unsupported_version on a whole frame whose header is of another version: it was acknowledged, and is not passed over
 */
export function decodeFrame(
  prefix: FramePrefix,
  header: Uint8Array,
  body: Uint8Array,
  seal: number,
): EntryHeader | null {
  if (header.length < prefix.headerBytes || body.length < prefix.bodyBytes) return null;
  if (crc32(body, crc32(header, seal)) !== prefix.crc) return null;
  const parsed = entryHeader.safeParse(JSON.parse(Buffer.from(header).toString("utf8")));
  if (parsed.success) return parsed.data;
  throw new MillraceError("unsupported_version", "The staging log holds a request that this version cannot read.", {
    hint: "A newer Millrace has acknowledged it: run that version or a later one until the log is empty.",
    cause: parsed.error,
  });
}
