import type { DatasetId, Instant } from "../../base/index.ts";
import { type Multihash, sha3Multihash } from "../../slices/index.ts";
import { encodeBlock, type MetadataBlock, type MetadataEvent } from "../odf/index.ts";
import { checkRules, type Tip } from "../rules/index.ts";
import type { StoredBlock } from "./stored-block.ts";

/** Before the first block of a dataset. */
export function noBlock(id: DatasetId): Tip {
  return {
    id,
    seq: -1,
    head: null,
    systemTime: null,
    datasetKind: null,
    schema: null,
    watermark: null,
    transformSeq: null,
    checkpoint: null,
    nextOffset: 0,
  };
}

/** The tip with one block more. @throws chain_broken where the block breaks a rule */
export function follow(tip: Tip, hash: Multihash, block: MetadataBlock): Tip {
  checkRules(tip, block);
  const { event, systemTime, sequenceNumber: seq } = block;
  const next = { ...tip, seq, head: hash, systemTime };
  switch (event.kind) {
    case "Seed":
      return { ...next, datasetKind: event.datasetKind };
    case "SetDataSchema":
      return { ...next, schema: event.schema };
    case "SetTransform":
      return { ...next, transformSeq: seq };
    case "AddData":
    case "ExecuteTransform":
      return {
        ...next,
        watermark: event.newWatermark ?? tip.watermark,
        checkpoint: event.newCheckpoint?.physicalHash ?? tip.checkpoint,
        nextOffset: event.newData === undefined ? tip.nextOffset : event.newData.offsetInterval.end + 1,
      };
    default:
      return next;
  }
}

/** A block that may be committed behind a tip, and the tip that it makes. */
export interface NextBlock {
  readonly stored: StoredBlock;
  readonly tip: Tip;
}

/** Nothing is written. System time does not go back where the clock did. @throws chain_broken where a rule forbids it */
export function nextBlock(tip: Tip, event: MetadataEvent, now: Instant): NextBlock {
  const block: MetadataBlock = {
    systemTime: tip.systemTime !== null && tip.systemTime > now ? tip.systemTime : now,
    prevBlockHash: tip.head,
    sequenceNumber: tip.seq + 1,
    event,
  };
  checkRules(tip, block);
  const bytes = encodeBlock(block);
  const hash = sha3Multihash(bytes);
  return { stored: { seq: block.sequenceNumber, hash, bytes, block }, tip: follow(tip, hash, block) };
}
