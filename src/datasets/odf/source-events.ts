import type { DataSchema } from "../../slices/index.ts";

/** How raw bytes become rows. Every step may carry a schema; the DDL form is the older one. */
interface ReadsColumns {
  readonly ddlSchema?: readonly string[];
  readonly schema?: DataSchema;
}

interface ReadsTimes {
  readonly dateFormat?: string;
  readonly encoding?: string;
  readonly timestampFormat?: string;
}

export type ReadStep =
  | (ReadsColumns &
      ReadsTimes & {
        readonly kind: "Csv";
        readonly separator?: string;
        readonly quote?: string;
        readonly escape?: string;
        readonly header?: boolean;
        readonly inferSchema?: boolean;
        readonly nullValue?: string;
      })
  | (ReadsColumns & { readonly kind: "GeoJson" })
  | (ReadsColumns & { readonly kind: "EsriShapefile"; readonly subPath?: string })
  | (ReadsColumns & { readonly kind: "Parquet" })
  | (ReadsColumns & ReadsTimes & { readonly kind: "Json"; readonly subPath?: string })
  | (ReadsColumns & ReadsTimes & { readonly kind: "NdJson" })
  | (ReadsColumns & { readonly kind: "NdGeoJson" });

export interface SqlQueryStep {
  readonly alias?: string;
  readonly query: string;
}

export interface TemporalTable {
  readonly name: string;
  readonly primaryKey: readonly string[];
}

export interface Transform {
  readonly kind: "Sql";
  readonly engine: string;
  readonly version?: string;
  readonly query?: string;
  readonly queries?: readonly SqlQueryStep[];
  readonly temporalTables?: readonly TemporalTable[];
}

export type MergeStrategy =
  | { readonly kind: "Append" }
  | { readonly kind: "Ledger" | "ChangelogStream" | "UpsertStream"; readonly primaryKey: readonly string[] }
  | { readonly kind: "Snapshot"; readonly primaryKey: readonly string[]; readonly compareColumns?: readonly string[] };

export type EventTimeSource =
  | { readonly kind: "FromMetadata" | "FromSystemTime" }
  | { readonly kind: "FromPath"; readonly pattern: string; readonly timestampFormat?: string };

export interface SourceCaching {
  readonly kind: "Forever";
}

export interface NamedValue {
  readonly name: string;
  readonly value: string;
}

export interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string;
}

export const mqttQualities = ["AtMostOnce", "AtLeastOnce", "ExactlyOnce"] as const;

export interface MqttTopic {
  readonly path: string;
  readonly qos?: (typeof mqttQualities)[number];
}

export const sourceOrders = ["ByEventTime", "ByName"] as const;

export type FetchStep =
  | {
      readonly kind: "Url";
      readonly url: string;
      readonly eventTime?: EventTimeSource;
      readonly cache?: SourceCaching;
      readonly headers?: readonly NamedValue[];
    }
  | {
      readonly kind: "FilesGlob";
      readonly path: string;
      readonly eventTime?: EventTimeSource;
      readonly cache?: SourceCaching;
      readonly order?: (typeof sourceOrders)[number];
    }
  | {
      readonly kind: "Container";
      readonly image: string;
      readonly command?: readonly string[];
      readonly args?: readonly string[];
      readonly env?: readonly EnvironmentVariable[];
    }
  | {
      readonly kind: "Mqtt";
      readonly host: string;
      readonly port: number;
      readonly username?: string;
      readonly password?: string;
      readonly topics: readonly MqttTopic[];
    }
  | {
      readonly kind: "EthereumLogs";
      readonly chainId?: number;
      readonly nodeUrl?: string;
      readonly filter?: string;
      readonly signature?: string;
    };

export const compressionFormats = ["Gzip", "Zip"] as const;

export type PrepStep =
  | {
      readonly kind: "Decompress";
      readonly format: (typeof compressionFormats)[number];
      readonly subPath?: string;
    }
  | { readonly kind: "Pipe"; readonly command: readonly string[] };

export interface SetPollingSource {
  readonly kind: "SetPollingSource";
  readonly fetch: FetchStep;
  readonly prepare?: readonly PrepStep[];
  readonly read: ReadStep;
  readonly preprocess?: Transform;
  readonly merge: MergeStrategy;
}

export interface AddPushSource {
  readonly kind: "AddPushSource";
  readonly sourceName: string;
  readonly read: ReadStep;
  readonly preprocess?: Transform;
  readonly merge: MergeStrategy;
}

export interface TransformInput {
  /** A dataset's id; a name only where the block was not accepted yet. */
  readonly datasetRef: string;
  readonly alias?: string;
}

export interface SetTransform {
  readonly kind: "SetTransform";
  readonly inputs: readonly TransformInput[];
  readonly transform: Transform;
}
