import { describe, expect, test } from "vitest";
import { instant } from "../../base/index.ts";
import { type DataField, fieldFromDuckdb, type Multihash, schemaWith, sha3Multihash } from "../../slices/index.ts";
import { type AddData, datasetIdOfKey, type MetadataBlock, type MetadataEvent } from "../odf/index.ts";
import { checkpoint } from "./checkpoint.ts";
import { datasetKind } from "./dataset-kind.ts";
import { checkRules, type Tip } from "./index.ts";
import { link } from "./link.ts";
import { notEmpty } from "./not-empty.ts";
import { offsets } from "./offsets.ts";
import { schema } from "./schema.ts";
import { seed } from "./seed.ts";
import { sequence } from "./sequence.ts";
import { systemTime } from "./system-time.ts";
import { watermark } from "./watermark.ts";

const id = datasetIdOfKey(new Uint8Array(32).fill(1));
const hash = (text: string): Multihash => sha3Multihash(Buffer.from(text));
const columns = (...all: [string, string][]) => schemaWith(all.map(([name, type]) => fieldFromDuckdb(name, type)));

/** A root dataset of ten rows. */
const tip: Tip = {
  id,
  seq: 4,
  head: hash("block 4"),
  systemTime: instant(1_000),
  datasetKind: "Root",
  transformSeq: null,
  schema: columns(["a", "INTEGER"], ["b", "VARCHAR"]),
  watermark: instant(500),
  checkpoint: hash("checkpoint"),
  nextOffset: 10,
};
const fresh: Tip = {
  ...tip,
  seq: -1,
  head: null,
  systemTime: null,
  datasetKind: null,
  transformSeq: null,
  schema: null,
  watermark: null,
  checkpoint: null,
  nextOffset: 0,
};
const added: AddData = {
  kind: "AddData",
  prevCheckpoint: hash("checkpoint"),
  prevOffset: 9,
  newData: {
    logicalHash: hash("rows"),
    physicalHash: hash("file"),
    offsetInterval: { start: 10, end: 14 },
    size: 100,
  },
  newWatermark: instant(600),
};
const block = (event: MetadataEvent, changes: Partial<MetadataBlock> = {}): MetadataBlock => ({
  systemTime: instant(1_000),
  prevBlockHash: tip.head,
  sequenceNumber: 5,
  event,
  ...changes,
});
const seedEvent: MetadataEvent = { kind: "Seed", datasetId: id, datasetKind: "Root" };
const data = (changes: Partial<AddData>) => block({ ...added, ...changes });
const interval = (start: number, end: number) =>
  data({ newData: { logicalHash: hash("r"), physicalHash: hash("f"), size: 1, offsetInterval: { start, end } } });
const evolve = (...fields: [string, string][]) => block({ kind: "SetDataSchema", schema: columns(...fields) });
const fields = (all: readonly DataField[]) => block({ kind: "SetDataSchema", schema: { fields: all } });
const { newWatermark: _, ...silent } = added;
const { prevOffset: _1, ...first } = added;
const { prevCheckpoint: _2, ...uncheckpointed } = added;
const { newData: _3, ...dataless } = added;

test("the valid block passes every rule", () => {
  expect(() => checkRules(tip, block(added))).not.toThrow();
  const start = block(seedEvent, { prevBlockHash: null, sequenceNumber: 0 });
  expect(() => checkRules(fresh, start)).not.toThrow();
});

test("what a rule refuses, is refused with the rule's words and the block's number", () => {
  const wrong = block(added, { prevBlockHash: null });
  expect(() => checkRules(tip, wrong)).toThrow(
    expect.objectContaining({ code: "chain_broken", data: { seq: 5, problem: expect.stringContaining("not f1620") } }),
  );
});

describe.each([
  ["sequence", sequence, block(added), [block(added, { sequenceNumber: 4 }), block(added, { sequenceNumber: 6 })]],
  ["link", link, block(added), [block(added, { prevBlockHash: null }), block(added, { prevBlockHash: hash("x") })]],
  [
    "system time",
    systemTime,
    block(added, { systemTime: instant(1_000) }),
    [block(added, { systemTime: instant(999) })],
  ],
  ["one seed", seed, block(added), [block(seedEvent)]],
  [
    "kind",
    datasetKind,
    block(added),
    [
      block({ kind: "ExecuteTransform", queryInputs: [] }),
      block({ kind: "SetTransform", inputs: [], transform: { kind: "Sql", engine: "duckdb" } }),
    ],
  ],
  ["previous offset", offsets, block(added), [data({ prevOffset: 8 }), data({ prevOffset: 10 }), block(first)]],
  ["interval", offsets, interval(10, 10), [interval(9, 14), interval(11, 14), interval(10, 9), interval(0, 4)]],
  ["checkpoint", checkpoint, block(added), [data({ prevCheckpoint: hash("older") }), block(uncheckpointed)]],
  ["watermark", watermark, data({ newWatermark: instant(500) }), [data({ newWatermark: instant(499) }), block(silent)]],
  ["not empty", notEmpty, block({ ...dataless, extra: {} }), [block({ ...dataless, newWatermark: instant(500) })]],
  [
    "schema",
    schema,
    evolve(["a", "BIGINT"], ["b", "VARCHAR"], ["c", "DOUBLE"]),
    [
      evolve(["a", "SMALLINT"], ["b", "VARCHAR"]),
      evolve(["a", "DATE"], ["b", "VARCHAR"]),
      evolve(["a", "INTEGER"]),
      evolve(["b", "VARCHAR"], ["a", "INTEGER"]),
      evolve(["a", "INTEGER"], ["b", "VARCHAR"], ["A", "INTEGER"]),
      fields(columns(["a", "INTEGER"], ["b", "VARCHAR"]).fields.slice(1)),
      fields([...columns(["a", "INTEGER"], ["b", "VARCHAR"]).fields, { name: "c", type: { kind: "Int32" } }]),
    ],
  ],
] as const)("%s", (_name, rule, valid, violations) => {
  test("accepts", () => expect(rule(tip, valid)).toBeNull());
  test.each(violations.map((violation, index) => [index, violation] as const))("refuses violation %i", (_, violation) =>
    expect(rule(tip, violation)).toEqual(expect.any(String)),
  );
});

test("a chain begins with the seed of the dataset in whose place it lies", () => {
  expect(seed(fresh, block(seedEvent))).toBeNull();
  expect(seed(fresh, block(added))).toBe("a chain begins with Seed");
  const other = datasetIdOfKey(new Uint8Array(32).fill(2));
  expect(seed(fresh, block({ kind: "Seed", datasetId: other, datasetKind: "Root" }))).toBe(
    `it is the seed of ${other}`,
  );
});

test("the first rows begin at offset 0 without a previous one, after a schema", () => {
  const start = { ...tip, nextOffset: 0, checkpoint: null };
  const { prevOffset: _4, prevCheckpoint: _5, ...begun } = added;
  const slice = { logicalHash: hash("r"), physicalHash: hash("f"), size: 1, offsetInterval: { start: 0, end: 4 } };
  const event = block({ ...begun, newData: slice });
  expect(offsets(start, event)).toBeNull();
  expect(offsets(start, data({ prevOffset: 0 }))).toEqual(expect.any(String));
  expect(schema(start, event)).toBeNull();
  expect(schema({ ...start, schema: null }, event)).toBe("it adds data before a schema");
});

test("a derivative dataset takes rows from its transform alone", () => {
  const derivative: Tip = { ...tip, datasetKind: "Derivative" };
  expect(datasetKind(derivative, block({ kind: "ExecuteTransform", queryInputs: [] }))).toBeNull();
  expect(datasetKind(derivative, block(added))).toBe("a derivative dataset has no AddData");
});

test("once a watermark is there, each run carries it; before, none needs to", () => {
  expect(watermark({ ...tip, watermark: null }, block(silent))).toBeNull();
  expect(watermark(tip, block({ kind: "ExecuteTransform", queryInputs: [] }))).toBe("it drops the watermark");
});
