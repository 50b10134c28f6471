import { MillraceError } from "../../base/index.ts";
import { type Multihash, multihashFromBytes } from "../../slices/index.ts";
import { datasetIdFromBytes } from "./dataset-id.ts";
import { eventKinds, manifestKind, manifestVersion } from "./encode.ts";
import type { AddData, DataSlice, ExecuteTransform, MetadataBlock, MetadataEvent } from "./events.ts";
import { broken, readExtra, readSchema } from "./schema-codec.ts";
import { TableReader } from "./table-reader.ts";

/** Reads a block's bytes. @throws chain_broken on bytes that are no block, unsupported_version on another manifest version */
export function decodeBlock(bytes: Uint8Array): MetadataBlock {
  try {
    const manifest = TableReader.root(bytes);
    if (manifest.int64(0) !== manifestKind) throw broken("its manifest is of another kind");
    const version = manifest.int32(1) ?? 0;
    if (version !== manifestVersion) {
      throw new MillraceError(
        "unsupported_version",
        `The block has manifest version ${version}; this version reads ${manifestVersion}.`,
        {
          hint: "A newer Millrace or another node wrote it: run a later version.",
        },
      );
    }
    return readBlock(TableReader.root(manifest.bytes(2) ?? new Uint8Array()));
  } catch (cause) {
    if (cause instanceof MillraceError) throw cause;
    throw new MillraceError("chain_broken", "The block cannot be read: its bytes are no metadata block.", { cause });
  }
}

function readBlock(table: TableReader): MetadataBlock {
  const previous = table.bytes(1);
  return {
    systemTime: table.timestamp(0) ?? missing("system time"),
    prevBlockHash: previous === null ? null : multihashFromBytes(previous),
    sequenceNumber: table.int64(2) ?? 0,
    event: readEvent(table),
  };
}

function readEvent(block: TableReader): MetadataEvent {
  const kind = eventKinds[(block.int8(3) ?? 0) - 1];
  const table = block.table(4);
  if (kind === undefined || table === null) throw broken("it has an event that this version does not know");
  switch (kind) {
    case "AddData":
      return readAddData(table);
    case "ExecuteTransform":
      return readExecuteTransform(table);
    case "Seed": {
      const id = table.bytes(0) ?? missing("dataset id");
      return { kind, datasetId: datasetIdFromBytes(id), datasetKind: table.int32(1) === 1 ? "Derivative" : "Root" };
    }
    case "SetVocab":
      return {
        kind,
        ...given("offsetColumn", table.string(0)),
        ...given("operationTypeColumn", table.string(1)),
        ...given("systemTimeColumn", table.string(2)),
        ...given("eventTimeColumn", table.string(3)),
      };
    case "SetInfo":
      return { kind, ...given("description", table.string(0)), ...given("keywords", table.strings(1)) };
    case "SetLicense":
      return {
        kind,
        shortName: table.string(0) ?? "",
        name: table.string(1) ?? "",
        ...given("spdxId", table.string(2)),
        websiteUrl: table.string(3) ?? "",
      };
    case "SetDataSchema": {
      const schema = table.table(1);
      if (schema === null) throw broken("its schema is in the old Arrow form");
      return { kind, schema: readSchema(schema) };
    }
    default:
      return { kind };
  }
}

function readAddData(table: TableReader): AddData {
  const source = table.table(5);
  const newSourceState =
    source === null
      ? null
      : { sourceName: source.string(0) ?? "", kind: source.string(1) ?? "", value: source.string(2) ?? "" };
  return {
    kind: "AddData",
    ...given("prevCheckpoint", hash(table, 0)),
    ...given("prevOffset", table.int64(1)),
    ...given("newData", readSlice(table.table(2))),
    ...given("newCheckpoint", readCheckpoint(table.table(3))),
    ...given("newWatermark", table.timestamp(4)),
    ...given("newSourceState", newSourceState),
    ...readExtra(table, 6),
  };
}

function readExecuteTransform(table: TableReader): ExecuteTransform {
  const queryInputs = (table.tables(0) ?? []).map((input) => ({
    datasetId: datasetIdFromBytes(input.bytes(0) ?? missing("input's id")),
    ...given("prevBlockHash", hash(input, 1)),
    ...given("newBlockHash", hash(input, 2)),
    ...given("prevOffset", input.int64(3)),
    ...given("newOffset", input.int64(4)),
  }));
  return {
    kind: "ExecuteTransform",
    queryInputs,
    ...given("prevCheckpoint", hash(table, 1)),
    ...given("prevOffset", table.int64(2)),
    ...given("newData", readSlice(table.table(3))),
    ...given("newCheckpoint", readCheckpoint(table.table(4))),
    ...given("newWatermark", table.timestamp(5)),
  };
}

function readSlice(table: TableReader | null): DataSlice | null {
  if (table === null) return null;
  const interval = table.table(2) ?? missing("offset interval");
  return {
    logicalHash: hash(table, 0) ?? missing("logical hash"),
    physicalHash: hash(table, 1) ?? missing("physical hash"),
    offsetInterval: { start: interval.int64(0) ?? 0, end: interval.int64(1) ?? 0 },
    size: table.int64(3) ?? 0,
  };
}

function readCheckpoint(table: TableReader | null): { physicalHash: Multihash; size: number } | null {
  if (table === null) return null;
  return { physicalHash: hash(table, 0) ?? missing("checkpoint's hash"), size: table.int64(1) ?? 0 };
}

function hash(table: TableReader, slot: number): Multihash | null {
  const bytes = table.bytes(slot);
  return bytes === null ? null : multihashFromBytes(bytes);
}

/** The member where there is a value, nothing where there is none. */
function given<Name extends string, Value>(name: Name, value: Value | null): { [Key in Name]?: Value } {
  if (value === null) return {};
  const member: { [Key in Name]?: Value } = {};
  member[name] = value;
  return member;
}

function missing(what: string): never {
  throw broken(`it has no ${what}`);
}
