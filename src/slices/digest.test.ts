import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DataType, digestLeaves, LogicalDigest, leafCast, multihashOfDigest, type NestedVector } from "./index.ts";

type Value = null | boolean | bigint | string | readonly Value[];

/** Memory outside of JavaScript: texts lie in pages of their own, between which nothing may be read. */
class Memory {
  readonly #pages = new Map<bigint, Uint8Array>();
  #at: bigint;

  constructor(at: bigint) {
    this.#at = at;
  }

  /** Puts bytes somewhere behind the last ones; the address. */
  put(bytes: Uint8Array, gap: number): bigint {
    this.#at += BigInt(gap);
    const start = this.#at;
    for (const byte of bytes) {
      const page = this.#pages.get(this.#at >> 12n) ?? new Uint8Array(4096).fill(0x5a);
      this.#pages.set(this.#at >> 12n, page);
      page[Number(this.#at & 4095n)] = byte;
      this.#at++;
    }
    return start;
  }

  readonly read = (buffer: ArrayBuffer, pointerOffset: number, count: number): Uint8Array => {
    const start = new DataView(buffer).getBigUint64(pointerOffset, true);
    return Uint8Array.from({ length: count }, (_, i) => {
      const page = this.#pages.get((start + BigInt(i)) >> 12n);
      if (page === undefined) throw new Error("read outside of mapped memory");
      return page[Number((start + BigInt(i)) & 4095n)] ?? 0;
    });
  };
}

const integers = { Int8: 1, Int16: 2, Int32: 4, Int64: 8 } as const;

/** Lays values out as DuckDB does. */
function vectorOf(type: DataType, values: readonly Value[], memory: Memory, gap: number): NestedVector {
  const validity = values.includes(null) ? new Uint8Array(Math.ceil(values.length / 64) * 8) : null;
  for (const [row, value] of values.entries()) {
    if (validity !== null && value !== null) validity[row >> 3] = (validity[row >> 3] ?? 0) | (1 << (row & 7));
  }
  if (type.kind === "List") {
    const data = new DataView(new ArrayBuffer(values.length * 16));
    const items: Value[] = [];
    for (const [row, value] of values.entries()) {
      if (!Array.isArray(value)) continue;
      data.setBigUint64(row * 16, BigInt(items.length), true);
      data.setBigUint64(row * 16 + 8, BigInt(value.length), true);
      items.push(...value);
    }
    const vector = vectorOf(type.itemType, items, memory, gap);
    return { data: new Uint8Array(data.buffer), validity, items: { vector, count: items.length } };
  }
  if (type.kind === "String") {
    const data = new DataView(new ArrayBuffer(values.length * 16));
    for (const [row, value] of values.entries()) {
      if (typeof value !== "string") continue;
      const bytes = Buffer.from(value);
      data.setUint32(row * 16, bytes.length, true);
      if (bytes.length <= 12) new Uint8Array(data.buffer).set(bytes, row * 16 + 4);
      else data.setBigUint64(row * 16 + 8, memory.put(bytes, gap), true);
    }
    return { data: new Uint8Array(data.buffer), validity };
  }
  const width = type.kind === "Bool" ? 1 : type.kind === "Decimal" ? 16 : 8;
  return { data: Buffer.concat(values.map((value) => fixed(value, width))), validity };
}

function fixed(value: Value, width: number): Buffer {
  const bytes = Buffer.alloc(16);
  if (typeof value === "bigint") {
    bytes.writeBigInt64LE(BigInt.asIntN(64, value));
    bytes.writeBigInt64LE(BigInt.asIntN(64, value >> 64n), 8);
  } else if (value === true) bytes[0] = 1;
  return bytes.subarray(0, width);
}

/** The rules of arrow-digest, a value at a time. */
function hashed(type: DataType, value: Value): Buffer {
  if (value === null) return Buffer.from([0]);
  if (Array.isArray(value)) {
    const inner = type.kind === "List" ? type.itemType : type;
    return Buffer.concat([u64(value.length), ...value.map((item) => hashed(inner, item))]);
  }
  if (typeof value === "string") return Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
  if (typeof value === "boolean") return Buffer.from([value ? 2 : 1]);
  return fixed(value, type.kind === "Decimal" ? 16 : 8);
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

const sha3 = (...parts: Uint8Array[]) => createHash("sha3-256").update(Buffer.concat(parts)).digest();
const typeCodes = new Map<DataType["kind"], Buffer>([
  ["Int64", Buffer.concat([Buffer.from([1, 0, 1]), u64(64)])],
  ["Bool", Buffer.from([5, 0])],
  ["String", Buffer.from([4, 0])],
  ["Decimal", Buffer.concat([Buffer.from([6, 0]), u64(128), u64(20), u64(2)])],
]);
function typeCode(type: DataType): Buffer {
  if (type.kind === "List") return Buffer.concat([Buffer.from([11, 0]), typeCode(type.itemType)]);
  return typeCodes.get(type.kind) ?? Buffer.alloc(0);
}

const anyText = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ minLength: 12, maxLength: 80 }),
  fc.nat({ max: 6000 }).map((length) => "x".repeat(length)),
);
const anyInt = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const columnsOf = (rows: number): fc.Arbitrary<{ type: DataType; values: Value[] }> => {
  const list = (value: fc.Arbitrary<Value>) => fc.array(fc.option(value), { minLength: rows, maxLength: rows });
  const column = (type: DataType, value: fc.Arbitrary<Value>) => list(value).map((values) => ({ type, values }));
  const short = fc.array(fc.option(fc.string({ maxLength: 30 })), { maxLength: 4 });
  return fc.oneof(
    column({ kind: "Int64" }, anyInt),
    column({ kind: "Bool" }, fc.boolean()),
    column({ kind: "String" }, anyText),
    column({ kind: "Decimal", precision: 20, scale: 2 }, anyInt),
    column({ kind: "List", itemType: { kind: "Int64" } }, fc.array(fc.option(anyInt), { maxLength: 5 })),
    column(
      { kind: "List", itemType: { kind: "List", itemType: { kind: "String" } } },
      fc.array(short, { maxLength: 3 }),
    ),
  );
};
const table = fc
  .oneof(fc.nat({ max: 70 }), fc.integer({ min: 2040, max: 2060 }))
  .chain((rows) => fc.array(columnsOf(rows), { minLength: 1, maxLength: 3 }));

const fieldsOf = (columns: readonly { type: DataType }[]) =>
  columns.map(({ type }, i) => ({ name: `c${i}`, type: { kind: "Option" as const, inner: type } }));

describe("logical digest", () => {
  test("meets the reference implementation's published hash of a result", () => {
    // kamu's query API: [[1, "B", 200], [0, "A", 100]] of offset Int64, city Utf8, population UInt64.
    const digest = new LogicalDigest([
      { name: "offset", type: { kind: "Option", inner: { kind: "Int64" } } },
      { name: "city", type: { kind: "String" } },
      { name: "population", type: { kind: "UInt64" } },
    ]);
    const memory = new Memory(0n);
    for (const [leaf, values] of [
      [1n, 0n],
      ["B", "A"],
      [200n, 100n],
    ].entries()) {
      const type: DataType = { kind: leaf === 1 ? "String" : "Int64" };
      digest.updateVector(leaf, vectorOf(type, values, memory, 0), 2, memory.read);
    }
    expect(multihashOfDigest("arrow0-sha3-256", digest.digest())).toBe(
      "f9680c001200b3483eecc3d5c6b50ee6b8cba11b51c08f89ea1f53d3a334c743199f5fe656e",
    );
  });

  test("is what the rules give a value at a time, however the rows are cut and wherever their texts lie", () => {
    fc.assert(
      fc.property(
        table,
        fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom(0, 1, 5000, 70_000),
        (columns, cuts, gap) => {
          const fields = fieldsOf(columns);
          const expected = sha3(
            ...fields.flatMap(({ name }) => [u64(name.length), Buffer.from(name), u64(0)]),
            ...columns.map(({ type, values }) => sha3(typeCode(type), ...values.map((value) => hashed(type, value)))),
          );
          const digest = new LogicalDigest(fields);
          const memory = new Memory(0x7f12_3456_7ff0n);
          const rows = columns[0]?.values.length ?? 0;
          for (let from = 0, turn = 0; from < rows; turn++) {
            const to = Math.min(rows, from + (cuts[turn % cuts.length] ?? 1));
            for (const [leaf, { type, values }] of columns.entries()) {
              const vector = vectorOf(type, values.slice(from, to), memory, gap);
              digest.updateVector(leaf, vector, to - from, memory.read);
            }
            from = to;
          }
          expect(Buffer.from(digest.digest()).toString("hex")).toBe(expected.toString("hex"));
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);

  test.each([13, 16, 17, 100, 4095, 4096, 4097, 9000])("reads texts of %i bytes across the ends of pages", (length) => {
    const fields = [{ name: "a", type: { kind: "String" as const } }];
    const [vectors, plain] = [new LogicalDigest(fields), new LogicalDigest(fields)];
    for (let start = 4070; start <= 4110; start++) {
      const memory = new Memory(0x5500_0000_0000n + BigInt(start) * 0x1_0001n);
      const text = Buffer.alloc(length, `${start}-abcdefg`).toString();
      const vector = vectorOf({ kind: "String" }, ["in", null, text, text], memory, 65_536);
      vectors.updateVector(0, vector, 4, memory.read);
      for (const value of ["in", null, text, text]) plain.update(0, hashed({ kind: "String" }, value));
    }
    expect(vectors.digest()).toEqual(plain.digest());
  });

  test("packs nulls out of every fixed width", () => {
    for (const [kind, width] of Object.entries(integers)) {
      const type: DataType = { kind: kind as keyof typeof integers };
      const fields = [{ name: "a", type }];
      const data = Uint8Array.from({ length: width * 3 }, (_, i) => i + 1);
      const [vectors, plain] = [new LogicalDigest(fields), new LogicalDigest(fields)];
      vectors.updateVector(0, { data, validity: Uint8Array.of(0b101, 0, 0, 0, 0, 0, 0, 0) }, 3, new Memory(0n).read);
      plain.update(0, Buffer.concat([data.subarray(0, width), Buffer.of(0), data.subarray(width * 2)]));
      expect(vectors.digest()).toEqual(plain.digest());
    }
  });

  test("takes structs apart, and names the casts that leaves want", () => {
    const leaves = digestLeaves([
      {
        name: "a",
        type: { kind: "Struct", fields: [{ name: "b", type: { kind: "Decimal", precision: 5, scale: 2 } }] },
      },
      { name: "c", type: { kind: "List", itemType: { kind: "Option", inner: { kind: "String" } } } },
      { name: "d", type: { kind: "List", itemType: { kind: "Struct", fields: [] } } },
    ]);
    expect(leaves.map(({ path, encoding }) => [path.join("."), encoding.kind, leafCast(encoding)])).toEqual([
      ["a.b", "decimal", "DECIMAL(38,2)"],
      ["c", "list", "VARCHAR[]"],
      ["d", "json", null],
    ]);
  });
});
