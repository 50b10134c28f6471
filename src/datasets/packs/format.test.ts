import fc from "fast-check";
import { expect, test } from "vitest";
import { instant, MillraceError, seededRandom } from "../../base/index.ts";
import { fieldFromDuckdb, multihashOfDigest, schemaWith, sha3Multihash } from "../../slices/index.ts";
import { Chain, type ChainState } from "../chain/chain.ts";
import { writeNotes } from "../chain/extra.ts";
import { nextBlock } from "../chain/tip.ts";
import { decodeCheckpoint, encodeCheckpoint } from "../layout/checkpoint.ts";
import { type MetadataEvent, newDatasetId } from "../odf/index.ts";
import { decodeHeader, decodePack, encodePack, headerBytes } from "./format.ts";
import { start } from "./milestone.ts";

const id = newDatasetId(seededRandom(1));
const digest = (text: string) => multihashOfDigest("sha3-256", Buffer.from(text.padEnd(32).slice(0, 32)));

interface Step {
  readonly rows: number;
  readonly quarantined: number;
  readonly widens: boolean;
  readonly watermarkMs: number;
}
const step: fc.Arbitrary<Step> = fc.record({
  rows: fc.nat(3),
  quarantined: fc.nat(2),
  widens: fc.boolean(),
  watermarkMs: fc.nat(10_000),
});

/** A chain of any kind of commits, and its blocks. */
function chainOf(steps: readonly Step[]): { state: ChainState; blocks: Uint8Array[] } {
  const chain = new Chain(id);
  const blocks: Uint8Array[] = [];
  const add = (event: MetadataEvent) => {
    const { stored } = nextBlock(chain.tip, event, instant(blocks.length));
    blocks.push(stored.bytes);
    chain.append(stored.hash, stored.block, blocks.length % 2 === 0 ? null : [statistics]);
  };
  add({ kind: "Seed", datasetId: id, datasetKind: "Root" });
  const columns = [fieldFromDuckdb("a", "VARCHAR")];
  add({ kind: "SetDataSchema", schema: schemaWith(columns) });
  for (const [index, { rows, quarantined, widens, watermarkMs }] of steps.entries()) {
    if (widens) {
      columns.push(fieldFromDuckdb(`column ${index}`, "STRUCT(x INTEGER, y DECIMAL(9, 2)[])"));
      add({ kind: "SetDataSchema", schema: schemaWith(columns) });
    }
    const { nextOffset, watermark } = chain.tip;
    const offsetInterval = { start: nextOffset, end: nextOffset + rows - 1 };
    const hash = digest(`data ${index}`);
    add({
      kind: "AddData",
      ...(nextOffset === 0 ? {} : { prevOffset: nextOffset - 1 }),
      ...(rows === 0 ? {} : { newData: { offsetInterval, physicalHash: hash, logicalHash: hash, size: 10 * rows } }),
      newWatermark: instant(Math.max(watermark ?? 0, watermarkMs)),
      newSourceState: { sourceName: `source ${index % 3}`, kind: "test", value: String(index) },
      extra: writeNotes(
        quarantined === 0 ? {} : { quarantine: { physicalHash: digest(`bad ${index}`), rows: quarantined, size: 7 } },
      ),
    });
  }
  return { state: chain.state, blocks };
}
const statistics = { column: "a", type: "VARCHAR", nullCount: 1, min: "a", max: "ü\u0000" };

const history = fc.array(step, { maxLength: 12 }).map(chainOf);

test("a pack gives back its blocks, and its header what they hold", () => {
  fc.assert(
    fc.property(history, ({ state, blocks }) => {
      const bytes = encodePack(start, blocks);
      const { header, hashes, blocks: found } = decodePack(bytes);
      expect(found.map((block) => Buffer.from(block).toString("hex"))).toEqual(
        blocks.map((block) => Buffer.from(block).toString("hex")),
      );
      expect(hashes).toEqual(blocks.map(sha3Multihash));
      expect(header).toMatchObject({ firstSeq: 0, count: blocks.length, base: start });
      expect(header.quarantines.map(({ seq, rows }) => [seq, rows])).toEqual(
        state.quarantines.map(({ seq, rows }) => [seq, rows]),
      );
      const length = headerBytes(bytes) ?? 0;
      expect(decodeHeader(bytes.subarray(0, length))).toEqual(header);
      expect(encodePack(start, blocks)).toEqual(bytes); // everybody makes the same
    }),
    { numRuns: 50 },
  );
});

test("a checkpoint gives back the state of its chain, and none of another", () => {
  fc.assert(
    fc.property(history, ({ state }) => {
      const found = decodeCheckpoint(id, encodeCheckpoint(id, state));
      const { slices, ...rest } = found;
      const { slices: kept, ...wanted } = state;
      expect(rest).toEqual(wanted);
      expect(slices.all).toEqual(kept.all);
      expect(() => decodeCheckpoint(newDatasetId(seededRandom(2)), encodeCheckpoint(id, state))).toThrow(
        "another dataset",
      );
    }),
    { numRuns: 50 },
  );
});

test("any byte that is changed or missing is noticed", () => {
  const { state, blocks } = chainOf([{ rows: 2, quarantined: 1, widens: true, watermarkMs: 5 }]);
  const cases = [
    { bytes: encodePack(start, blocks), decode: (bytes: Uint8Array) => decodePack(bytes) },
    { bytes: encodeCheckpoint(id, state), decode: (bytes: Uint8Array) => decodeCheckpoint(id, bytes) },
  ];
  for (const { bytes, decode } of cases) {
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x20;
      for (const damaged of [changed, bytes.subarray(0, at)]) {
        const read = () => decode(damaged);
        expect(read, `byte ${at}`).toThrow(MillraceError);
      }
    }
  }
});

test("one of a newer format is refused as such", () => {
  const { state, blocks } = chainOf([]);
  const pack = Buffer.from(encodePack(start, blocks));
  pack.writeUInt16LE(2, 8);
  expect(() => decodePack(pack)).toThrow("format version 2; this version reads 1");
  const checkpoint = Buffer.from(encodeCheckpoint(id, state));
  checkpoint.writeUInt16LE(2, 8);
  expect(() => decodeCheckpoint(id, checkpoint)).toThrow(MillraceError);
});
