import type { DatasetId, Instant } from "../../base/index.ts";
import type { DataSchema, Extra, Multihash } from "../../slices/index.ts";
import type { AddPushSource, SetPollingSource, SetTransform } from "./source-events.ts";

/** Offsets of the first and the last row, both included. */
export interface OffsetInterval {
  readonly start: number;
  readonly end: number;
}

export interface DataSlice {
  readonly logicalHash: Multihash;
  readonly physicalHash: Multihash;
  readonly offsetInterval: OffsetInterval;
  /** Bytes of the data object. */
  readonly size: number;
}

export interface Checkpoint {
  readonly physicalHash: Multihash;
  readonly size: number;
}

export interface SourceState {
  readonly sourceName: string;
  readonly kind: string;
  readonly value: string;
}

export interface AddData {
  readonly kind: "AddData";
  readonly prevCheckpoint?: Multihash;
  readonly prevOffset?: number;
  readonly newData?: DataSlice;
  readonly newCheckpoint?: Checkpoint;
  readonly newWatermark?: Instant;
  readonly newSourceState?: SourceState;
  readonly extra?: Extra;
}

export interface ExecuteTransformInput {
  readonly datasetId: DatasetId;
  readonly prevBlockHash?: Multihash;
  readonly newBlockHash?: Multihash;
  readonly prevOffset?: number;
  readonly newOffset?: number;
}

export interface ExecuteTransform {
  readonly kind: "ExecuteTransform";
  readonly queryInputs: readonly ExecuteTransformInput[];
  readonly prevCheckpoint?: Multihash;
  readonly prevOffset?: number;
  readonly newData?: DataSlice;
  readonly newCheckpoint?: Checkpoint;
  readonly newWatermark?: Instant;
}

export interface Seed {
  readonly kind: "Seed";
  readonly datasetId: DatasetId;
  readonly datasetKind: "Root" | "Derivative";
}

export interface SetVocab {
  readonly kind: "SetVocab";
  readonly offsetColumn?: string;
  readonly operationTypeColumn?: string;
  readonly systemTimeColumn?: string;
  readonly eventTimeColumn?: string;
}

export interface SetInfo {
  readonly kind: "SetInfo";
  readonly description?: string;
  readonly keywords?: readonly string[];
}

export interface SetLicense {
  readonly kind: "SetLicense";
  readonly shortName: string;
  readonly name: string;
  readonly spdxId?: string;
  readonly websiteUrl: string;
}

export interface SetDataSchema {
  readonly kind: "SetDataSchema";
  readonly schema: DataSchema;
}

export interface SetAttachments {
  readonly kind: "SetAttachments";
  readonly attachments: {
    readonly kind: "Embedded";
    readonly items: readonly { readonly path: string; readonly content: string }[];
  };
}

export interface DisablePushSource {
  readonly kind: "DisablePushSource";
  readonly sourceName: string;
}

export interface DisablePollingSource {
  readonly kind: "DisablePollingSource";
}

/** All events of the specification. A block with any other is refused with `unsupported_version`. */
export type MetadataEvent =
  | AddData
  | ExecuteTransform
  | Seed
  | SetVocab
  | SetInfo
  | SetLicense
  | SetDataSchema
  | SetPollingSource
  | SetTransform
  | SetAttachments
  | AddPushSource
  | DisablePushSource
  | DisablePollingSource;

/** One link of a dataset's chain. */
export interface MetadataBlock {
  readonly systemTime: Instant;
  /** null in the seed block only. */
  readonly prevBlockHash: Multihash | null;
  readonly sequenceNumber: number;
  readonly event: MetadataEvent;
}
