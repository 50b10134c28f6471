import type { DataSchema } from "../../slices/index.ts";
import { dataSchema } from "./schema-wire.ts";
import {
  type AddPushSource,
  compressionFormats,
  type EnvironmentVariable,
  type EventTimeSource,
  type FetchStep,
  type MergeStrategy,
  type MqttTopic,
  mqttQualities,
  type NamedValue,
  type PrepStep,
  type ReadStep,
  type SetPollingSource,
  type SetTransform,
  type SourceCaching,
  type SqlQueryStep,
  sourceOrders,
  type TemporalTable,
  type Transform,
  type TransformInput,
} from "./source-events.ts";
import { flag, int32, oneOf, optional, table, tables, text, texts, uint64, union, type Wire } from "./wire.ts";

type Kind<Union, Name> = Omit<Extract<Union, { readonly kind: Name }>, "kind">;
type Columns = { readonly ddlSchema?: readonly string[]; readonly schema?: DataSchema };
type Keyed = { readonly primaryKey: readonly string[] };

const columns = table<Columns>({ ddlSchema: optional(texts), schema: optional(dataSchema) });

const readStep = union<ReadStep>(() => ({
  Csv: table<Kind<ReadStep, "Csv">>({
    ddlSchema: optional(texts),
    separator: optional(text),
    encoding: optional(text),
    quote: optional(text),
    escape: optional(text),
    header: optional(flag),
    inferSchema: optional(flag),
    nullValue: optional(text),
    dateFormat: optional(text),
    timestampFormat: optional(text),
    schema: optional(dataSchema),
  }),
  GeoJson: columns,
  EsriShapefile: table<Kind<ReadStep, "EsriShapefile">>({
    ddlSchema: optional(texts),
    subPath: optional(text),
    schema: optional(dataSchema),
  }),
  Parquet: columns,
  Json: table<Kind<ReadStep, "Json">>({
    subPath: optional(text),
    ddlSchema: optional(texts),
    dateFormat: optional(text),
    encoding: optional(text),
    timestampFormat: optional(text),
    schema: optional(dataSchema),
  }),
  NdJson: table<Kind<ReadStep, "NdJson">>({
    ddlSchema: optional(texts),
    dateFormat: optional(text),
    encoding: optional(text),
    timestampFormat: optional(text),
    schema: optional(dataSchema),
  }),
  NdGeoJson: columns,
}));

const transform = union<Transform>(() => ({
  Sql: table<Kind<Transform, "Sql">>({
    engine: text,
    version: optional(text),
    query: optional(text),
    queries: optional(tables(table<SqlQueryStep>({ alias: optional(text), query: text }))),
    temporalTables: optional(tables(table<TemporalTable>({ name: text, primaryKey: texts }))),
  }),
}));

const keyed = table<Keyed>({ primaryKey: texts });
const nothing = table<Record<never, never>>({});

const mergeStrategy = union<MergeStrategy>(() => ({
  Append: nothing,
  Ledger: keyed,
  Snapshot: table<Kind<MergeStrategy, "Snapshot">>({ primaryKey: texts, compareColumns: optional(texts) }),
  ChangelogStream: keyed,
  UpsertStream: keyed,
}));

const eventTime = optional(
  union<EventTimeSource>(() => ({
    FromMetadata: nothing,
    FromPath: table<Kind<EventTimeSource, "FromPath">>({ pattern: text, timestampFormat: optional(text) }),
    FromSystemTime: nothing,
  })),
);
const cache = optional(union<SourceCaching>(() => ({ Forever: nothing })));

const fetchStep = union<FetchStep>(() => ({
  Url: table<Kind<FetchStep, "Url">>({
    url: text,
    eventTime,
    cache,
    headers: optional(tables(table<NamedValue>({ name: text, value: text }))),
  }),
  FilesGlob: table<Kind<FetchStep, "FilesGlob">>({
    path: text,
    eventTime,
    cache,
    order: optional(oneOf("int32", sourceOrders)),
  }),
  Container: table<Kind<FetchStep, "Container">>({
    image: text,
    command: optional(texts),
    args: optional(texts),
    env: optional(tables(table<EnvironmentVariable>({ name: text, value: optional(text) }))),
  }),
  Mqtt: table<Kind<FetchStep, "Mqtt">>({
    host: text,
    port: int32,
    username: optional(text),
    password: optional(text),
    topics: tables(table<MqttTopic>({ path: text, qos: optional(oneOf("int32", mqttQualities)) })),
  }),
  EthereumLogs: table<Kind<FetchStep, "EthereumLogs">>({
    chainId: optional(uint64),
    nodeUrl: optional(text),
    filter: optional(text),
    signature: optional(text),
  }),
}));

const prepStep = union<PrepStep>(() => ({
  Decompress: table<Kind<PrepStep, "Decompress">>({
    format: oneOf("int32", compressionFormats),
    subPath: optional(text),
  }),
  Pipe: table<Kind<PrepStep, "Pipe">>({ command: texts }),
}));
/** A vector cannot hold unions: each stands in a table of its own. */
const wrapped = tables(table<{ readonly value: PrepStep }>({ value: prepStep }));
const prepSteps: Wire<readonly PrepStep[]> = {
  slots: 1,
  write: (writer, slot, value, optional) =>
    wrapped.write(
      writer,
      slot,
      value.map((step) => ({ value: step })),
      optional,
    ),
  read: (reader, slot) => wrapped.read(reader, slot)?.map(({ value }) => value) ?? null,
};

export const setPollingSource = table<Omit<SetPollingSource, "kind">>({
  fetch: fetchStep,
  prepare: optional(prepSteps),
  read: readStep,
  preprocess: optional(transform),
  merge: mergeStrategy,
});

export const addPushSource = table<Omit<AddPushSource, "kind">>({
  sourceName: text,
  read: readStep,
  preprocess: optional(transform),
  merge: mergeStrategy,
});

export const setTransform = table<Omit<SetTransform, "kind">>({
  inputs: tables(table<TransformInput>({ datasetRef: text, alias: optional(text) })),
  transform,
});
