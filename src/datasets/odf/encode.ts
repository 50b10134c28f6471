import { MillraceError } from "../../base/index.ts";
import { type Multihash, multihashBytes } from "../../slices/index.ts";
import { datasetIdBytes } from "./dataset-id.ts";
import type { AddData, Checkpoint, DataSlice, ExecuteTransform, MetadataBlock, MetadataEvent } from "./events.ts";
import { writeExtra, writeSchema } from "./schema-codec.ts";
import { type TableField, TableWriter } from "./table-writer.ts";

/** The union MetadataEvent of the specification, in its order: codes count from 1. */
export const eventKinds = [
  "AddData",
  "ExecuteTransform",
  "Seed",
  "SetPollingSource",
  "SetTransform",
  "SetVocab",
  "SetAttachments",
  "SetInfo",
  "SetLicense",
  "SetDataSchema",
  "AddPushSource",
  "DisablePushSource",
  "DisablePollingSource",
] as const satisfies readonly MetadataEvent["kind"][];

/** Kind (a multicodec for an ODF metadata block) and version of the manifest around a block. */
export const manifestKind = 0x400000;
export const manifestVersion = 3;

/** The bytes of a block, which its name is the hash of. @throws sql_unsupported for events that Millrace does not write */
export function encodeBlock(block: MetadataBlock): Uint8Array {
  const writer = new TableWriter();
  const previous = optionalHash(writer, 1, block.prevBlockHash ?? undefined);
  const event = writeEvent(writer, block.event);
  const root = writer.table(5, [
    { slot: 0, kind: "timestamp", epochMs: block.systemTime },
    previous,
    block.sequenceNumber === 0 ? null : { slot: 2, kind: "int64", value: block.sequenceNumber },
    { slot: 3, kind: "int8", value: eventKinds.indexOf(block.event.kind) + 1 },
    { slot: 4, kind: "offset", offset: event },
  ]);
  return encodeManifest(writer.finish(root));
}

function encodeManifest(content: Uint8Array): Uint8Array {
  const writer = new TableWriter();
  const bytes = writer.bytes(content);
  const root = writer.table(3, [
    { slot: 0, kind: "int64", value: manifestKind },
    { slot: 1, kind: "int32", value: manifestVersion },
    { slot: 2, kind: "offset", offset: bytes },
  ]);
  return writer.finish(root);
}

function writeEvent(writer: TableWriter, event: MetadataEvent): number {
  const text = (slot: number, value: string | undefined): TableField | null =>
    value === undefined ? null : { slot, kind: "offset", offset: writer.string(value) };
  switch (event.kind) {
    case "AddData":
      return writeAddData(writer, event);
    case "ExecuteTransform":
      return writeExecuteTransform(writer, event);
    case "Seed": {
      const id = writer.bytes(datasetIdBytes(event.datasetId));
      return writer.table(2, [
        { slot: 0, kind: "offset", offset: id },
        event.datasetKind === "Root" ? null : { slot: 1, kind: "int32", value: 1 },
      ]);
    }
    case "SetVocab":
      return writer.table(4, [
        text(0, event.offsetColumn),
        text(1, event.operationTypeColumn),
        text(2, event.systemTimeColumn),
        text(3, event.eventTimeColumn),
      ]);
    case "SetInfo": {
      const description = text(0, event.description);
      const keywords = event.keywords?.map((keyword) => writer.string(keyword));
      return writer.table(2, [
        description,
        keywords === undefined ? null : { slot: 1, kind: "offset", offset: writer.offsets(keywords) },
      ]);
    }
    case "SetLicense":
      return writer.table(4, [
        text(0, event.shortName),
        text(1, event.name),
        text(2, event.spdxId),
        text(3, event.websiteUrl),
      ]);
    case "SetDataSchema":
      return writer.table(2, [{ slot: 1, kind: "offset", offset: writeSchema(writer, event.schema) }]);
    default:
      throw new MillraceError("sql_unsupported", `Millrace does not write the event ${event.kind} yet.`);
  }
}

function writeAddData(writer: TableWriter, event: AddData): number {
  const checkpoint = optionalHash(writer, 0, event.prevCheckpoint);
  const data = writeSlice(writer, 2, event.newData);
  const newCheckpoint = writeCheckpoint(writer, 3, event.newCheckpoint);
  const source = event.newSourceState;
  let state: TableField | null = null;
  if (source !== undefined) {
    const [name, kind, value] = [source.sourceName, source.kind, source.value].map((part) => writer.string(part));
    const fields = [name, kind, value].map(
      (offset, slot): TableField => ({ slot, kind: "offset", offset: offset ?? 0 }),
    );
    state = { slot: 5, kind: "offset", offset: writer.table(3, fields) };
  }
  const extra = writeExtra(writer, event.extra, 6);
  return writer.table(7, [
    checkpoint,
    event.prevOffset === undefined ? null : { slot: 1, kind: "int64", value: event.prevOffset },
    data,
    newCheckpoint,
    event.newWatermark === undefined ? null : { slot: 4, kind: "timestamp", epochMs: event.newWatermark },
    state,
    extra,
  ]);
}

function writeExecuteTransform(writer: TableWriter, event: ExecuteTransform): number {
  const inputs = event.queryInputs.map((input) => {
    const id = writer.bytes(datasetIdBytes(input.datasetId));
    const before = optionalHash(writer, 1, input.prevBlockHash);
    const after = optionalHash(writer, 2, input.newBlockHash);
    return writer.table(5, [
      { slot: 0, kind: "offset", offset: id },
      before,
      after,
      input.prevOffset === undefined ? null : { slot: 3, kind: "int64", value: input.prevOffset },
      input.newOffset === undefined ? null : { slot: 4, kind: "int64", value: input.newOffset },
    ]);
  });
  const queryInputs = writer.offsets(inputs);
  const checkpoint = optionalHash(writer, 1, event.prevCheckpoint);
  const data = writeSlice(writer, 3, event.newData);
  const newCheckpoint = writeCheckpoint(writer, 4, event.newCheckpoint);
  return writer.table(6, [
    { slot: 0, kind: "offset", offset: queryInputs },
    checkpoint,
    event.prevOffset === undefined ? null : { slot: 2, kind: "int64", value: event.prevOffset },
    data,
    newCheckpoint,
    event.newWatermark === undefined ? null : { slot: 5, kind: "timestamp", epochMs: event.newWatermark },
  ]);
}

function writeSlice(writer: TableWriter, slot: number, slice: DataSlice | undefined): TableField | null {
  if (slice === undefined) return null;
  const logical = writer.bytes(multihashBytes(slice.logicalHash));
  const physical = writer.bytes(multihashBytes(slice.physicalHash));
  const { start, end } = slice.offsetInterval;
  const interval = writer.table(2, [
    start === 0 ? null : { slot: 0, kind: "int64", value: start },
    end === 0 ? null : { slot: 1, kind: "int64", value: end },
  ]);
  const offset = writer.table(4, [
    { slot: 0, kind: "offset", offset: logical },
    { slot: 1, kind: "offset", offset: physical },
    { slot: 2, kind: "offset", offset: interval },
    slice.size === 0 ? null : { slot: 3, kind: "int64", value: slice.size },
  ]);
  return { slot, kind: "offset", offset };
}

function writeCheckpoint(writer: TableWriter, slot: number, checkpoint: Checkpoint | undefined): TableField | null {
  if (checkpoint === undefined) return null;
  const hash = writer.bytes(multihashBytes(checkpoint.physicalHash));
  const size: TableField | null = checkpoint.size === 0 ? null : { slot: 1, kind: "int64", value: checkpoint.size };
  return { slot, kind: "offset", offset: writer.table(2, [{ slot: 0, kind: "offset", offset: hash }, size]) };
}

function optionalHash(writer: TableWriter, slot: number, hash: Multihash | undefined): TableField | null {
  return hash === undefined ? null : { slot, kind: "offset", offset: writer.bytes(multihashBytes(hash)) };
}
