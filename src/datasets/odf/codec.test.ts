import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { type Instant, instant, MillraceError } from "../../base/index.ts";
import { type Multihash, sha3Multihash } from "../../slices/index.ts";
import { publicKeyOfSeed } from "./dataset-id.ts";
import { datasetIdOfKey, decodeBlock, encodeBlock, type MetadataBlock, type MetadataEvent } from "./index.ts";

const vectorFile = path.resolve(import.meta.dirname, "../../../../shared/odf/vectors.json");
const mh = (text: string) => sha3Multihash(Buffer.from(text));
const sha3 = (bytes: Uint8Array) => createHash("sha3-256").update(bytes).digest("hex");

/** The first 32 bytes of xoshiro256++ (Blackman and Vigna) seeded with the text: how the reference suite makes test ids. */
function seededKey(text: string): Uint8Array {
  const mask = (1n << 64n) - 1n;
  const rotate = (value: bigint, by: bigint) => ((value << by) | (value >> (64n - by))) & mask;
  const seed = Buffer.concat([Buffer.from(text), Buffer.alloc(32)]).subarray(0, 32);
  let [a, b, c, d] = [0, 8, 16, 24].map((at) => seed.readBigUInt64LE(at)) as [bigint, bigint, bigint, bigint];
  const key = Buffer.alloc(32);
  for (let at = 0; at < 32; at += 8) {
    key.writeBigUInt64LE((rotate((a + d) & mask, 23n) + a) & mask, at);
    const shifted = (b << 17n) & mask;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 45n);
  }
  return key;
}

/** Reads the vectors' shorthand: `mh(x)`, `seeded(x)`, ISO times, closed intervals. */
async function eventOf(shorthand: Record<string, Record<string, unknown>>): Promise<MetadataEvent> {
  const [kind = "", body = {}] = Object.entries(shorthand)[0] ?? [];
  const value = async (item: unknown, name: string): Promise<unknown> => {
    if (Array.isArray(item)) {
      if (name === "offsetInterval") return { start: item[0], end: item[1] };
      return await Promise.all(item.map((one) => value(one, "")));
    }
    if (name === "transform" && typeof item === "object" && item !== null) {
      return await value(Object.assign({ kind: "Sql" }, ...Object.values(item)), "");
    }
    if (typeof item === "object" && item !== null) {
      return Object.fromEntries(
        await Promise.all(Object.entries(item).map(async ([key, one]) => [key, await value(one, key)])),
      );
    }
    if (typeof item !== "string") return item;
    const hashed = /^mh\((.*)\)$/.exec(item)?.[1];
    if (hashed !== undefined) return mh(hashed);
    const seeded = /^seeded\((.*)\)$/.exec(item)?.[1];
    if (seeded !== undefined) return datasetIdOfKey(seededKey(seeded));
    if (name === "datasetRef") return item.replace(/^name /, "");
    return name === "newWatermark" ? instant(Date.parse(item)) : item;
  };
  const told = await value(body, "");
  const event = { kind, ...(typeof told === "object" ? told : {}) };
  if (!isEvent(event)) throw new Error(`there is no event ${kind}`);
  return event;
}

/** Of its kind; that its fields are those of the kind, the hashes of the vectors tell. */
function isEvent(event: { readonly kind: string }): event is MetadataEvent {
  return eventKinds.some((kind) => kind === event.kind);
}

const eventKinds: readonly MetadataEvent["kind"][] = [
  "Seed",
  "SetDataSchema",
  "AddPushSource",
  "DisablePushSource",
  "SetPollingSource",
  "DisablePollingSource",
  "SetTransform",
  "AddData",
  "ExecuteTransform",
  "SetInfo",
  "SetAttachments",
  "SetLicense",
  "SetVocab",
];

const vectors = z.object({
  common: z.object({ systemTime: z.string(), sequenceNumber: z.number() }),
  blocks: z.array(z.object({ event: z.record(z.string(), z.record(z.string(), z.unknown())), sha3_256: z.string() })),
});

describe.skipIf(!existsSync(vectorFile))(
  "vectors of the reference implementation (shared/odf/vectors.json)",
  async () => {
    const { common, blocks } = vectors.parse(
      JSON.parse(
        existsSync(vectorFile)
          ? readFileSync(vectorFile, "utf8")
          : '{"common":{"systemTime":"","sequenceNumber":0},"blocks":[]}',
      ),
    );
    for (const { event, sha3_256 } of blocks) {
      test(JSON.stringify(event).slice(0, 120), async () => {
        const block: MetadataBlock = {
          systemTime: instant(Date.parse(common.systemTime)),
          prevBlockHash: mh("prev"),
          sequenceNumber: common.sequenceNumber,
          event: await eventOf(event),
        };
        const bytes = encodeBlock(block);
        expect(sha3(bytes)).toBe(sha3_256);
        expect(decodeBlock(bytes)).toEqual(block);
      });
    }

    test("SetInfo without a previous block", () => {
      const bytes = encodeBlock({
        systemTime: instant(Date.parse("2050-01-01T12:00:00Z")),
        prevBlockHash: null,
        sequenceNumber: 0,
        event: { kind: "SetInfo", description: "foo" },
      });
      expect(bytes.length).toBe(120);
      expect(sha3(bytes)).toBe("e4773ca5765b41781e721cb891182e43a2df35665cd82b378e54b9ea25f4f50f");
    });
  },
);

const anyHash: fc.Arbitrary<Multihash> = fc.string().map(mh);
const anyInstant: fc.Arbitrary<Instant> = fc.integer({ min: -6e13, max: 2.5e14 }).map(instant);
const anyCount = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const anySlice = fc.record({
  logicalHash: anyHash,
  physicalHash: anyHash,
  offsetInterval: fc.record({ start: anyCount, end: anyCount }),
  size: anyCount,
});
const options: { requiredKeys: ["kind"] } = { requiredKeys: ["kind"] };
const anyEvent: fc.Arbitrary<MetadataEvent> = fc.oneof(
  fc.record(
    {
      kind: fc.constant("AddData" as const),
      prevCheckpoint: anyHash,
      prevOffset: anyCount,
      newData: anySlice,
      newCheckpoint: fc.record({ physicalHash: anyHash, size: anyCount }),
      newWatermark: anyInstant,
      newSourceState: fc.record({ sourceName: fc.string(), kind: fc.string(), value: fc.string() }),
      extra: fc.dictionary(fc.string(), fc.jsonValue()).map((extra) => JSON.parse(JSON.stringify(extra))),
    },
    options,
  ),
  fc.record(
    { kind: fc.constant("SetInfo" as const), description: fc.string(), keywords: fc.array(fc.string()) },
    options,
  ),
  fc.record(
    { kind: fc.constant("SetVocab" as const), offsetColumn: fc.string(), eventTimeColumn: fc.string() },
    options,
  ),
);
const anyBlock: fc.Arbitrary<MetadataBlock> = fc.record({
  systemTime: anyInstant,
  prevBlockHash: fc.option(anyHash),
  sequenceNumber: anyCount,
  event: anyEvent,
});

describe("blocks", () => {
  test("what is encoded is decoded", () => {
    fc.assert(
      fc.property(anyBlock, (block) => {
        expect(decodeBlock(encodeBlock(block))).toEqual(block);
      }),
      { numRuns: 500 },
    );
  });

  test("changed bytes give a block or a clear error, never a fault", () => {
    fc.assert(
      fc.property(
        anyBlock,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1 }),
        fc.nat(),
        (block, changes, cut) => {
          const bytes = Buffer.from(encodeBlock(block));
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          try {
            decodeBlock(bytes.subarray(0, cut % 3 === 0 ? cut % bytes.length : bytes.length));
          } catch (error) {
            expect(error).toBeInstanceOf(MillraceError);
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test("random bytes are refused clearly", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(() => decodeBlock(bytes)).toThrow(MillraceError);
      }),
    );
  });
});

test("a dataset's key is the one that RFC 8032 derives from its seed", async () => {
  const seed = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex");
  expect(datasetIdOfKey(publicKeyOfSeed(seed))).toBe(
    "did:odf:fed01d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
  );
});
