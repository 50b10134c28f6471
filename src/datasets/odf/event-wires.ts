import { multihashBytes, multihashFromBytes } from "../../slices/index.ts";
import { datasetIdBytes, datasetIdFromBytes } from "./dataset-id.ts";
import type {
  AddData,
  Checkpoint,
  DataSlice,
  DisablePushSource,
  ExecuteTransform,
  ExecuteTransformInput,
  MetadataBlock,
  MetadataEvent,
  OffsetInterval,
  Seed,
  SetAttachments,
  SetDataSchema,
  SetInfo,
  SetLicense,
  SetVocab,
  SourceState,
} from "./events.ts";
import { dataSchema, extraAttributes } from "./schema-wire.ts";
import { addPushSource, setPollingSource, setTransform } from "./source-wires.ts";
import { bytes, oneOf, optional, table, tables, text, texts, timestamp, uint64, union } from "./wire.ts";

type Body<Event> = Omit<Event, "kind">;

const hash = bytes(multihashBytes, multihashFromBytes);
const datasetId = bytes(datasetIdBytes, datasetIdFromBytes);

const dataSlice = table<DataSlice>({
  logicalHash: hash,
  physicalHash: hash,
  offsetInterval: table<OffsetInterval>({ start: uint64, end: uint64 }),
  size: uint64,
});
const checkpoint = table<Checkpoint>({ physicalHash: hash, size: uint64 });
const sourceState = table<SourceState>({ sourceName: text, kind: text, value: text });

const addData = table<Body<AddData>>({
  prevCheckpoint: optional(hash),
  prevOffset: optional(uint64),
  newData: optional(dataSlice),
  newCheckpoint: optional(checkpoint),
  newWatermark: optional(timestamp),
  newSourceState: optional(sourceState),
  extra: optional(extraAttributes),
});

const executeTransform = table<Body<ExecuteTransform>>({
  queryInputs: tables(
    table<ExecuteTransformInput>({
      datasetId,
      prevBlockHash: optional(hash),
      newBlockHash: optional(hash),
      prevOffset: optional(uint64),
      newOffset: optional(uint64),
    }),
  ),
  prevCheckpoint: optional(hash),
  prevOffset: optional(uint64),
  newData: optional(dataSlice),
  newCheckpoint: optional(checkpoint),
  newWatermark: optional(timestamp),
});

const attachments = union<SetAttachments["attachments"]>(() => ({
  Embedded: table<Body<SetAttachments["attachments"]>>({
    items: tables(table<{ readonly path: string; readonly content: string }>({ path: text, content: text })),
  }),
}));

/** The union MetadataEvent of the specification, in its order. */
const event = union<MetadataEvent>(() => ({
  AddData: addData,
  ExecuteTransform: executeTransform,
  Seed: table<Body<Seed>>({ datasetId, datasetKind: oneOf("int32", ["Root", "Derivative"]) }),
  SetPollingSource: setPollingSource,
  SetTransform: setTransform,
  SetVocab: table<Body<SetVocab>>({
    offsetColumn: optional(text),
    operationTypeColumn: optional(text),
    systemTimeColumn: optional(text),
    eventTimeColumn: optional(text),
  }),
  SetAttachments: table<Body<SetAttachments>>({ attachments }),
  SetInfo: table<Body<SetInfo>>({ description: optional(text), keywords: optional(texts) }),
  SetLicense: table<Body<SetLicense>>({ shortName: text, name: text, spdxId: optional(text), websiteUrl: text }),
  // In front stands the schema in Arrow's own form, which the specification has given up.
  SetDataSchema: table<Body<SetDataSchema>>({ schema: dataSchema }, 1),
  AddPushSource: addPushSource,
  DisablePushSource: table<Body<DisablePushSource>>({ sourceName: text }),
  DisablePollingSource: table<Record<never, never>>({}),
}));

/** The block as it lies; without a previous one, the hash is absent. */
export interface WireBlock extends Omit<MetadataBlock, "prevBlockHash"> {
  readonly prevBlockHash?: NonNullable<MetadataBlock["prevBlockHash"]>;
}

export const metadataBlock = table<WireBlock>({
  systemTime: timestamp,
  prevBlockHash: optional(hash),
  sequenceNumber: uint64,
  event,
});
