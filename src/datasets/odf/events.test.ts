import fc from "fast-check";
import * as flatbuffers from "flatbuffers";
import { describe, expect, test } from "vitest";
import { type Instant, instant, MillraceError } from "../../base/index.ts";
import {
  type DataField,
  type DataSchema,
  type DataType,
  type Multihash,
  sha3Multihash,
  timeUnits,
} from "../../slices/index.ts";
import {
  blockToJson,
  datasetIdOfKey,
  decodeBlock,
  encodeBlock,
  type MetadataBlock,
  type MetadataEvent,
} from "./index.ts";

const hash: fc.Arbitrary<Multihash> = fc.string().map((text) => sha3Multihash(Buffer.from(text)));
const at: fc.Arbitrary<Instant> = fc.integer({ min: -6e13, max: 2.5e14 }).map(instant);
const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const text = fc.string({ unit: "grapheme" });
const texts = fc.array(text, { maxLength: 3 });
const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(datasetIdOfKey);
const extra = fc.dictionary(text, fc.jsonValue({ maxDepth: 2 })).map((value) => {
  const parsed: Record<string, unknown> = JSON.parse(JSON.stringify(value));
  return parsed;
});
const kind = <Kind extends string>(name: Kind) => fc.constant(name);

/** A record whose `required` members are always there; the others come and go. */
function some<Required, Rest>(
  required: { [Name in keyof Required]: fc.Arbitrary<Required[Name]> },
  rest: { [Name in keyof Rest]: fc.Arbitrary<Rest[Name]> },
) {
  return fc.tuple(fc.record(required), fc.record(rest, { requiredKeys: [] })).map(([a, b]) => ({ ...a, ...b }));
}

const unit = { unit: fc.constantFrom(...timeUnits) };
const { field } = fc.letrec<{ field: DataField; type: DataType }>((tie) => ({
  field: some({ name: text, type: tie("type") }, { extra }),
  type: fc.oneof(
    { maxDepth: 4 },
    fc.record({ kind: fc.constantFrom("Bool" as const, "Date" as const, "Null" as const, "String" as const) }),
    fc.record({ kind: fc.constantFrom("Float16" as const, "Float32" as const, "Int8" as const, "UInt64" as const) }),
    fc.record({ kind: kind("Decimal"), precision: fc.nat({ max: 76 }), scale: fc.integer({ min: -9, max: 9 }) }),
    some({ kind: fc.constantFrom("Duration" as const, "Time" as const) }, unit),
    some({ kind: kind("Timestamp") }, { ...unit, timezone: text }),
    some({ kind: kind("Binary") }, { fixedLength: count }),
    some({ kind: kind("List"), itemType: tie("type") }, { fixedLength: count }),
    some({ kind: kind("Map"), keyType: tie("type"), valueType: tie("type") }, { keysSorted: fc.boolean() }),
    fc.record({ kind: kind("Option"), inner: tie("type") }),
    fc.record({ kind: kind("Struct"), fields: fc.array(tie("field"), { maxLength: 3 }) }),
  ),
}));
const schema: fc.Arbitrary<DataSchema> = some({ fields: fc.array(field, { maxLength: 4 }) }, { extra });

const slice = fc.record({
  logicalHash: hash,
  physicalHash: hash,
  offsetInterval: fc.record({ start: count, end: count }),
  size: count,
});
const output = {
  prevCheckpoint: hash,
  prevOffset: count,
  newData: slice,
  newCheckpoint: fc.record({ physicalHash: hash, size: count }),
  newWatermark: at,
};
const columns = { ddlSchema: texts, schema };
const times = { dateFormat: text, encoding: text, timestampFormat: text };
const read = fc.oneof(
  some(
    { kind: kind("Csv") },
    {
      ...columns,
      ...times,
      separator: text,
      quote: text,
      escape: text,
      header: fc.boolean(),
      inferSchema: fc.boolean(),
      nullValue: text,
    },
  ),
  some({ kind: fc.constantFrom("GeoJson" as const, "Parquet" as const, "NdGeoJson" as const) }, columns),
  some({ kind: kind("EsriShapefile") }, { ...columns, subPath: text }),
  some({ kind: kind("Json") }, { ...columns, ...times, subPath: text }),
  some({ kind: kind("NdJson") }, { ...columns, ...times }),
);
const transform = some(
  { kind: kind("Sql"), engine: text },
  {
    version: text,
    query: text,
    queries: fc.array(some({ query: text }, { alias: text }), { maxLength: 2 }),
    temporalTables: fc.array(fc.record({ name: text, primaryKey: texts }), { maxLength: 2 }),
  },
);
const merge = fc.oneof(
  fc.record({ kind: kind("Append") }),
  fc.record({
    kind: fc.constantFrom("Ledger" as const, "ChangelogStream" as const, "UpsertStream" as const),
    primaryKey: texts,
  }),
  some({ kind: kind("Snapshot"), primaryKey: texts }, { compareColumns: texts }),
);
const eventTime = fc.oneof(
  fc.record({ kind: fc.constantFrom("FromMetadata" as const, "FromSystemTime" as const) }),
  some({ kind: kind("FromPath"), pattern: text }, { timestampFormat: text }),
);
const cache = fc.record({ kind: kind("Forever") });
const fetch = fc.oneof(
  some(
    { kind: kind("Url"), url: text },
    { eventTime, cache, headers: fc.array(fc.record({ name: text, value: text })) },
  ),
  some(
    { kind: kind("FilesGlob"), path: text },
    { eventTime, cache, order: fc.constantFrom("ByEventTime" as const, "ByName" as const) },
  ),
  some(
    { kind: kind("Container"), image: text },
    { command: texts, args: texts, env: fc.array(some({ name: text }, { value: text })) },
  ),
  some(
    {
      kind: kind("Mqtt"),
      host: text,
      port: fc.nat({ max: 65535 }),
      topics: fc.array(some({ path: text }, { qos: fc.constantFrom("AtMostOnce" as const, "ExactlyOnce" as const) })),
    },
    { username: text, password: text },
  ),
  some({ kind: kind("EthereumLogs") }, { chainId: count, nodeUrl: text, filter: text, signature: text }),
);
const prepare = fc.array(
  fc.oneof(
    some({ kind: kind("Decompress"), format: fc.constantFrom("Gzip" as const, "Zip" as const) }, { subPath: text }),
    fc.record({ kind: kind("Pipe"), command: texts }),
  ),
);

const events: { readonly [Kind in MetadataEvent["kind"]]: fc.Arbitrary<MetadataEvent> } = {
  AddData: some(
    { kind: kind("AddData") },
    { ...output, newSourceState: fc.record({ sourceName: text, kind: text, value: text }), extra },
  ),
  ExecuteTransform: some(
    {
      kind: kind("ExecuteTransform"),
      queryInputs: fc.array(
        some({ datasetId: id }, { prevBlockHash: hash, newBlockHash: hash, prevOffset: count, newOffset: count }),
        { maxLength: 3 },
      ),
    },
    output,
  ),
  Seed: fc.record({
    kind: kind("Seed"),
    datasetId: id,
    datasetKind: fc.constantFrom("Root" as const, "Derivative" as const),
  }),
  SetPollingSource: some({ kind: kind("SetPollingSource"), fetch, read, merge }, { prepare, preprocess: transform }),
  SetTransform: fc.record({
    kind: kind("SetTransform"),
    inputs: fc.array(some({ datasetRef: text }, { alias: text })),
    transform,
  }),
  SetVocab: some(
    { kind: kind("SetVocab") },
    { offsetColumn: text, operationTypeColumn: text, systemTimeColumn: text, eventTimeColumn: text },
  ),
  SetAttachments: fc.record({
    kind: kind("SetAttachments"),
    attachments: fc.record({ kind: kind("Embedded"), items: fc.array(fc.record({ path: text, content: text })) }),
  }),
  SetInfo: some({ kind: kind("SetInfo") }, { description: text, keywords: texts }),
  SetLicense: some({ kind: kind("SetLicense"), shortName: text, name: text, websiteUrl: text }, { spdxId: text }),
  SetDataSchema: fc.record({ kind: kind("SetDataSchema"), schema }),
  AddPushSource: some({ kind: kind("AddPushSource"), sourceName: text, read, merge }, { preprocess: transform }),
  DisablePushSource: fc.record({ kind: kind("DisablePushSource"), sourceName: text }),
  DisablePollingSource: fc.record({ kind: kind("DisablePollingSource") }),
};
const blockOf = (event: fc.Arbitrary<MetadataEvent>): fc.Arbitrary<MetadataBlock> =>
  fc.record({ systemTime: at, prevBlockHash: fc.option(hash), sequenceNumber: count, event });

function decodeOrRefuse(bytes: Uint8Array): void {
  try {
    const json = JSON.stringify(blockToJson(decodeBlock(bytes)));
    expect(json).toContain("systemTime");
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    expect(["chain_broken", "unsupported_version"]).toContain(error.code);
  }
}

describe("every event", () => {
  test.each(Object.entries(events))("%s: what is encoded is decoded", (_, event) => {
    fc.assert(
      fc.property(blockOf(event), (block) => {
        const bytes = encodeBlock(block);
        expect(decodeBlock(bytes)).toEqual(block);
        expect(encodeBlock(decodeBlock(bytes))).toEqual(bytes);
      }),
      { numRuns: 150 },
    );
  });

  test("changed and cut bytes give a block or one of two errors", () => {
    const change = fc.tuple(fc.nat(), fc.oneof(fc.nat({ max: 255 }), fc.constantFrom(0, 1, 4, 127, 128, 255)));
    fc.assert(
      fc.property(
        blockOf(fc.oneof(...Object.values(events))),
        fc.array(change, { minLength: 1 }),
        fc.nat(),
        (block, changes, cut) => {
          const bytes = encodeBlock(block).slice();
          for (const [place, value] of changes) bytes[place % bytes.length] = value;
          decodeOrRefuse(bytes.subarray(0, cut % 4 === 0 ? cut % bytes.length : bytes.length));
        },
      ),
      { numRuns: 4_000 },
    );
  });
});

describe("hostile bytes", () => {
  const block = (event: MetadataEvent): MetadataBlock => ({
    systemTime: instant(0),
    prevBlockHash: null,
    sequenceNumber: 1,
    event,
  });

  test("tables that share their members do not unfold without end", () => {
    // A struct type whose two fields are of the same table, 90 levels of it: 2^90 tables for who follows blindly.
    const inner = new flatbuffers.Builder();
    let type = ((): number => {
      inner.startObject(0);
      return inner.endObject();
    })();
    let code = 2;
    for (let level = 0; level < 90; level++) {
      const name = inner.createString("a");
      inner.startObject(4);
      inner.addFieldOffset(0, name, 0);
      inner.addFieldInt8(1, code, 0);
      inner.addFieldOffset(2, type, 0);
      const field = inner.endObject();
      inner.startVector(4, 2, 4);
      inner.addOffset(field);
      inner.addOffset(field);
      const fields = inner.endVector();
      inner.startObject(1);
      inner.addFieldOffset(0, fields, 0);
      type = inner.endObject();
      code = 21;
    }
    inner.startObject(2);
    // The last struct has the member `fields` where the schema has its own.
    inner.addFieldOffset(1, type, 0);
    const event = inner.endObject();
    inner.startObject(5);
    inner.prep(4, 16);
    for (const value of [0, 0, 1, 1970]) inner.writeInt32(value);
    inner.slot(0);
    inner.addFieldInt8(3, 10, 0);
    inner.addFieldOffset(4, event, 0);
    inner.finish(inner.endObject());
    const outer = new flatbuffers.Builder();
    const content = outer.createByteVector(inner.asUint8Array());
    outer.startObject(3);
    outer.addFieldInt64(0, 0x400000n, 0n);
    outer.addFieldInt32(1, 3, 0);
    outer.addFieldOffset(2, content, 0);
    outer.finish(outer.endObject());
    expect(() => decodeBlock(outer.asUint8Array())).toThrow(/repeats itself/);
  });

  test("types that nest too deep are refused before they are written, others are read back", () => {
    const deep = (levels: number): DataType =>
      levels === 0 ? { kind: "Bool" } : { kind: "Struct", fields: [{ name: "a", type: deep(levels - 1) }] };
    const of = (levels: number) =>
      block({ kind: "SetDataSchema", schema: { fields: [{ name: "x", type: deep(levels) }] } });
    expect(decodeBlock(encodeBlock(of(100)))).toEqual(of(100));
    expect(() => encodeBlock(of(1_000))).toThrow(/nest too deep/);
  });

  test("another manifest version, and events to come, are told apart from broken bytes", () => {
    const bytes = encodeBlock(block({ kind: "DisablePollingSource" }));
    const versionAt = bytes.findIndex(
      (_, i) => i % 4 === 0 && new DataView(bytes.buffer, bytes.byteOffset).getInt32(i, true) === 3,
    );
    const later = bytes.slice();
    later[versionAt] = 4;
    expect(() => decodeBlock(later)).toThrow(expect.objectContaining({ code: "unsupported_version" }));
    const future = bytes.slice();
    future[future.lastIndexOf(13)] = 14;
    expect(() => decodeBlock(future)).toThrow(expect.objectContaining({ code: "unsupported_version" }));
    expect(() => decodeBlock(new Uint8Array(0))).toThrow(expect.objectContaining({ code: "chain_broken" }));
  });
});

test("a block as JSON has times as text and hashes as they are named", () => {
  const previous = sha3Multihash(Buffer.from("prev"));
  const json = blockToJson({
    systemTime: instant(0),
    prevBlockHash: previous,
    sequenceNumber: 7,
    event: { kind: "AddData", prevOffset: 9, newWatermark: instant(1_000) },
  });
  expect(json).toEqual({
    systemTime: "1970-01-01T00:00:00.000Z",
    prevBlockHash: previous,
    sequenceNumber: 7,
    event: { kind: "AddData", prevOffset: 9, newWatermark: "1970-01-01T00:00:01.000Z" },
  });
});
