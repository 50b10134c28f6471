import { createHash } from "node:crypto";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { z } from "zod";
import { type DatasetId, instant, MillraceError } from "../../base/index.ts";
import { multihash } from "../../slices/index.ts";
import type { ChainState } from "../chain/chain.ts";
import { DatasetKeys } from "../chain/keys.ts";
import { decodeBlock, encodeBlock } from "../odf/index.ts";
import { milestoneShape } from "../packs/milestone.ts";
import { type LiveSlice, LiveSlices, statisticsShape } from "./live-slices.ts";

/**
 * A checkpoint, in bytes: "millckpt" ▸ u16 version ▸ zstd of the state (JSON) ▸ sha3-256 of all before. It is derived: whoever
 * finds it missing, damaged or of another chain goes without it.
 */
const magic = Buffer.from("millckpt");
const version = 1;
const digestBytes = 32;
const mostStateBytes = 1 << 30;

const count = z.int().min(0);
const hash = z.string().transform(multihash);
const quarantine = z.object({ seq: count, hash, rows: count, sizeBytes: count });
const slice = z.object({
  kind: z.enum(["data", "copy"]),
  hash,
  /** Behind the dataset's folder. */
  key: z.string(),
  firstOffset: count,
  lastOffset: count,
  firstSeq: count,
  lastSeq: count,
  sizeBytes: count,
  systemTime: z.int().transform(instant),
  statistics: statisticsShape.nullable(),
  schemaVersion: count,
});
const shape = z.object({
  dataset: z.string(),
  milestone: milestoneShape,
  datasetKind: z.enum(["Root", "Derivative"]).nullable(),
  /** What an engine or source left last. */
  checkpoint: hash.nullable(),
  /** Absent in those that were written before it was kept. */
  transformSeq: count.nullable().default(null),
  /** Each as a block of ODF, so that a schema is written in one way only. */
  schemas: z.array(z.base64()),
  sourceStates: z.array(z.object({ sourceName: z.string(), kind: z.string(), value: z.string() })),
  slices: z.array(slice),
  quarantines: z.array(quarantine),
  quarantinesFrom: count,
});

/** The state of a chain at its newest block. */
export function encodeCheckpoint(id: DatasetId, state: ChainState): Uint8Array {
  const { tip, milestone, schemas, sourceStates, slices, quarantines, quarantinesFrom } = state;
  const { root } = new DatasetKeys(id);
  const json = JSON.stringify({
    dataset: id,
    milestone,
    datasetKind: tip.datasetKind,
    checkpoint: tip.checkpoint,
    transformSeq: tip.transformSeq,
    schemas: schemas.map(({ seq, schema }) => {
      const event = { kind: "SetDataSchema", schema } as const;
      const block = { systemTime: instant(0), prevBlockHash: null, sequenceNumber: seq, event };
      return Buffer.from(encodeBlock(block)).toString("base64");
    }),
    sourceStates,
    slices: slices.all.map((one) => ({ ...one, key: one.key.slice(root.length) })),
    quarantines: quarantines.map(({ seq, hash, rows, sizeBytes }) => ({ seq, hash, rows, sizeBytes })),
    quarantinesFrom,
  });
  const prefix = Buffer.alloc(magic.length + 2);
  magic.copy(prefix);
  prefix.writeUInt16LE(version, magic.length);
  const body = zstdCompressSync(Buffer.from(json));
  return Buffer.concat([prefix, body, digestOf(prefix, body)]);
}

/** @throws chain_broken on bytes that are not a checkpoint of this dataset; unsupported_version on one of a newer format */
export function decodeCheckpoint(id: DatasetId, bytes: Uint8Array): ChainState {
  const stored = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!stored.subarray(0, magic.length).equals(magic) || stored.length < magic.length + 2 + digestBytes)
    throw damaged("it is none");
  const end = stored.length - digestBytes;
  if (!digestOf(stored.subarray(0, end)).equals(stored.subarray(end)))
    throw damaged("its bytes are not those that its hash says");
  const found = stored.readUInt16LE(magic.length);
  if (found !== version) {
    throw new MillraceError("unsupported_version", `A checkpoint has format version ${found}, and not ${version}.`);
  }
  const parsed = shape.safeParse(parseState(stored.subarray(magic.length + 2, end)));
  if (!parsed.success) throw damaged("it cannot be read");
  if (parsed.data.dataset !== id) throw damaged("it is another dataset's");
  return stateOf(id, parsed.data);
}

function stateOf(id: DatasetId, kept: z.infer<typeof shape>): ChainState {
  const keys = new DatasetKeys(id);
  const { milestone, datasetKind, checkpoint, transformSeq } = kept;
  const schemas = kept.schemas.map((text) => {
    const { sequenceNumber: seq, event } = decodeBlock(Buffer.from(text, "base64"));
    if (event.kind !== "SetDataSchema") throw damaged("it holds no schema where one is wanted");
    return { seq, schema: event.schema };
  });
  const { seq, head, systemTime, watermark, nextOffset } = milestone;
  const schema = schemas.at(-1)?.schema ?? null;
  const slices = kept.slices.map((one): LiveSlice => ({ ...one, key: keys.root + one.key }));
  return {
    tip: { id, seq, head, systemTime, datasetKind, schema, watermark, transformSeq, checkpoint, nextOffset },
    milestone,
    schemas,
    sourceStates: kept.sourceStates,
    slices: LiveSlices.of(slices),
    quarantines: kept.quarantines.map((one) => ({ ...one, key: keys.quarantine(one.hash) })),
    quarantinesFrom: kept.quarantinesFrom,
  };
}

function parseState(body: Uint8Array): unknown {
  try {
    return JSON.parse(zstdDecompressSync(body, { maxOutputLength: mostStateBytes }).toString());
  } catch {
    return null;
  }
}

function digestOf(...parts: readonly Uint8Array[]): Buffer {
  const digest = createHash("sha3-256");
  for (const part of parts) digest.update(part);
  return digest.digest();
}

function damaged(reason: string): MillraceError {
  return new MillraceError("chain_broken", `A checkpoint is broken: ${reason}.`, { data: { reason } });
}
