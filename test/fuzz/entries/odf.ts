import { type Instant, instant } from "../../../src/base/index.ts";
import {
  blockToJson,
  datasetIdOfKey,
  decodeBlock,
  encodeBlock,
  type MetadataBlock,
  type MetadataEvent,
} from "../../../src/datasets/odf/index.ts";
import { sha3Multihash } from "../../../src/slices/index.ts";
import type { FuzzEntry } from "../campaign.ts";
import type { Dice } from "../dice.ts";
import { checkRefusal, Finding } from "../finding.ts";
import { plainInput } from "../input.ts";
import { mutateBytes } from "../mutate.ts";

const hash = (text: string) => sha3Multihash(Buffer.from(text));
const at: Instant = instant(Date.parse("2024-01-31T10:00:00Z"));
const id = datasetIdOfKey(new Uint8Array(32).fill(7));

/** One of each event that the platform writes, so that mutations begin from real tables. */
const events: readonly MetadataEvent[] = [
  { kind: "Seed", datasetId: id, datasetKind: "Root" },
  {
    kind: "SetDataSchema",
    schema: {
      fields: [
        { name: "offset", type: { kind: "UInt64" } },
        {
          name: "tags",
          type: {
            kind: "Option",
            inner: {
              kind: "List",
              itemType: {
                kind: "Struct",
                fields: [{ name: "a", type: { kind: "Timestamp", unit: "Millisecond", timezone: "UTC" } }],
              },
            },
          },
          extra: { "x.example/y": { a: [1, null] } },
        },
      ],
    },
  },
  {
    kind: "AddData",
    prevOffset: 9,
    newData: { logicalHash: hash("l"), physicalHash: hash("p"), offsetInterval: { start: 10, end: 19 }, size: 1_000 },
    newWatermark: at,
    newSourceState: { sourceName: "staged:1", kind: "millrace/staged", value: "7" },
  },
  {
    kind: "ExecuteTransform",
    queryInputs: [{ datasetId: id, prevBlockHash: hash("a"), newBlockHash: hash("b"), prevOffset: 0, newOffset: 5 }],
    prevOffset: 3,
  },
  { kind: "SetInfo", description: "d", keywords: ["a", "b"] },
];

const valid: readonly Uint8Array[] = events.map((event, sequenceNumber) => {
  const block: MetadataBlock = {
    systemTime: at,
    prevBlockHash: sequenceNumber === 0 ? null : hash("prev"),
    sequenceNumber,
    event,
  };
  return encodeBlock(block);
});

/** A block that mostly is one no more. */
export function anyBlock(dice: Dice): Uint8Array {
  if (dice.chance(0.05)) return dice.bytes(dice.few(500));
  return dice.chance(0.1) ? dice.pick(valid) : mutateBytes(dice, dice.pick(valid), valid);
}

/** Decoding blocks of a chain that somebody else may have written, in this process. What is read is written back the same. */
export function odfEntry(): FuzzEntry {
  return {
    name: "odf",
    atOnce: 1,
    deadlineMs: 2_000,
    make: (dice) => plainInput(anyBlock(dice)),
    async judge(input) {
      try {
        const block = decodeBlock(Buffer.from(input.body ?? []));
        JSON.stringify(blockToJson(block));
        const again = decodeBlock(encodeBlock(block));
        if (JSON.stringify(again) !== JSON.stringify(block))
          throw new Finding("a block that was read is not written back as it was");
      } catch (error) {
        if (error instanceof Finding) throw error;
        checkRefusal(error, ["chain_broken", "unsupported_version"]);
      }
    },
  };
}
