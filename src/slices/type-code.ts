import type { DataType, TimeUnit } from "./data-schema.ts";

const unitCodes: Readonly<Record<TimeUnit, number>> = { Second: 0, Millisecond: 1, Microsecond: 2, Nanosecond: 3 };
const bits = (type: string) => Number(/\d+$/.exec(type)?.[0]);

/**
 * What a leaf's hash begins with: arrow-digest's schema_digest, a u16 for the type and then its parameters, little endian.
 * Types that arrow-digest has no rule for stand as text.
 */
export function typeCode(type: DataType): Uint8Array {
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
          : Buffer.concat([u64(Buffer.byteLength(type.timezone)), Buffer.from(type.timezone)]);
      return Buffer.concat([u16(9), u16(unitCodes[type.unit ?? "Millisecond"]), zone]);
    }
    case "List":
      return Buffer.concat([u16(11), typeCode(type.itemType)]);
    case "Option":
      return typeCode(type.inner);
    case "String":
    case "Struct":
    case "Map":
    case "Duration":
      return u16(4); // Utf8
  }
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

/** A negative value, as a scale may be, in two's complement. */
export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}
