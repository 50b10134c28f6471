import { createHash, type Hash } from "node:crypto";
import type { DataField, DataType, TimeUnit } from "./data-schema.ts";

/**
 * The logical hash of a slice: arrow-digest's RecordDigestV0 over sha3-256 (ODF RFC 002, repository kamu-data/arrow-digest).
 * It depends on the rows alone, not on how they are cut into batches or encoded:
 * - a hash over the schema (each field, structs depth first: u64 length of the name, name, u64 level), then over
 * - one hash a leaf column: the type's code, then each value: fixed-width little-endian bytes; text and bytes as u64
 *   length and content; booleans as 1 (false) or 2 (true); null as a single 0.
 * Columns that arrow-digest has no rule for (maps, intervals, lists) are hashed as texts of their JSON.
 */
export class LogicalDigest {
  readonly #record = createHash("sha3-256");
  readonly #columns: Hash[] = [];

  constructor(fields: readonly DataField[]) {
    this.#walk(fields, 0);
  }

  /** Feeds the next values of a leaf column, already in the form above. Leaves count from 0, structs taken apart. */
  update(leaf: number, bytes: Uint8Array): void {
    this.#columns[leaf]?.update(bytes);
  }

  /** 32 bytes. */
  digest(): Uint8Array {
    for (const column of this.#columns) this.#record.update(column.digest());
    return this.#record.digest();
  }

  #walk(fields: readonly DataField[], level: number): void {
    for (const { name, type } of fields) {
      const bytes = Buffer.from(name);
      this.#record.update(u64(bytes.length)).update(bytes).update(u64(level));
      const bare = withoutOption(type);
      if (bare.kind === "Struct") this.#walk(bare.fields, level + 1);
      else this.#columns.push(createHash("sha3-256").update(typeCode(bare)));
    }
  }
}

/** How a leaf's values are brought into the hashed form. */
export type LeafEncoding =
  | { readonly kind: "fixed"; readonly width: 1 | 2 | 4 | 8 }
  /** 128 bits, two's complement. */
  | { readonly kind: "decimal"; readonly scale: number }
  | { readonly kind: "boolean" }
  | { readonly kind: "text" }
  | { readonly kind: "binary" }
  | { readonly kind: "json" };

export interface Leaf {
  /** Names from the column down. */
  readonly path: readonly string[];
  readonly encoding: LeafEncoding;
}

/** The leaves of a schema in the order of the digest. */
export function digestLeaves(fields: readonly DataField[], above: readonly string[] = []): Leaf[] {
  return fields.flatMap(({ name, type }) => {
    const bare = withoutOption(type);
    const path = [...above, name];
    return bare.kind === "Struct" ? digestLeaves(bare.fields, path) : [{ path, encoding: encodingOf(bare) }];
  });
}

export function withoutOption(type: DataType): DataType {
  return type.kind === "Option" ? withoutOption(type.inner) : type;
}

function encodingOf(type: DataType): LeafEncoding {
  switch (type.kind) {
    case "Bool":
      return { kind: "boolean" };
    case "Int8":
    case "UInt8":
      return { kind: "fixed", width: 1 };
    case "Int16":
    case "UInt16":
    case "Float16":
      return { kind: "fixed", width: 2 };
    case "Int32":
    case "UInt32":
    case "Float32":
    case "Date":
      return { kind: "fixed", width: 4 };
    case "Int64":
    case "UInt64":
    case "Float64":
    case "Timestamp":
    case "Time":
      return { kind: "fixed", width: 8 };
    case "Decimal":
      return { kind: "decimal", scale: type.scale };
    case "String":
      return { kind: "text" };
    case "Binary":
      return { kind: "binary" };
    default:
      return { kind: "json" };
  }
}

const unitCodes: Readonly<Record<TimeUnit, number>> = { Second: 0, Millisecond: 1, Microsecond: 2, Nanosecond: 3 };
const bits = (type: string) => Number(/\d+$/.exec(type)?.[0]);

/** Type codes of arrow-digest's schema_digest: u16 type, then its parameters, little endian. */
function typeCode(type: DataType): Uint8Array {
  switch (type.kind) {
    case "Null":
      return u16(0);
    case "Int8":
    case "Int16":
    case "Int32":
    case "Int64":
      return Buffer.concat([u16(1), Buffer.from([1]), u64(bits(type.kind))]);
    case "UInt8":
    case "UInt16":
    case "UInt32":
    case "UInt64":
      return Buffer.concat([u16(1), Buffer.from([0]), u64(bits(type.kind))]);
    case "Float16":
    case "Float32":
    case "Float64":
      return Buffer.concat([u16(2), u64(bits(type.kind))]);
    case "Binary":
      return u16(3);
    case "Bool":
      return u16(5);
    case "Decimal":
      return Buffer.concat([u16(6), u64(128), u64(type.precision), u64(type.scale)]);
    case "Date":
      return Buffer.concat([u16(7), u64(32), u16(0)]);
    case "Time":
      return Buffer.concat([u16(8), u64(64), u16(unitCodes[type.unit ?? "Millisecond"])]);
    case "Timestamp": {
      const zone =
        type.timezone === undefined
          ? Buffer.from([0])
          : Buffer.concat([u64(type.timezone.length), Buffer.from(type.timezone)]);
      return Buffer.concat([u16(9), u16(unitCodes[type.unit ?? "Millisecond"]), zone]);
    }
    default:
      return u16(4); // Utf8
  }
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
