import {
  type Data,
  DataType,
  type Field,
  RecordBatchReader,
  type Table,
  tableFromIPC,
  type Vector,
} from "apache-arrow";
import type { Column, Numbers, Values } from "./column.ts";

/** The columns of an Arrow IPC stream, each copied into one piece. */
export function columnsOf(bytes: Uint8Array): Column[] {
  const table: Table = tableFromIPC(RecordBatchReader.from(bytes));
  return table.schema.fields.map((field, at) => {
    const vector = table.getChildAt(at);
    const parts = (vector as Vector | null)?.data ?? [];
    const rows = parts.reduce((sum, part) => sum + part.length, 0);
    return {
      name: field.name,
      type: typeOf(field),
      rows,
      present: presentOf(parts, rows),
      values: valuesOf(field.type, parts, rows),
    };
  });
}

/** The SQL type, which the server writes beside the field: Arrow's own says less. */
function typeOf(field: Field): string {
  return field.metadata.get("millrace.type") ?? String(field.type);
}

function presentOf(parts: readonly Data[], rows: number): Uint8Array | null {
  if (parts.every((part) => part.nullCount === 0)) return null;
  const present = new Uint8Array(rows);
  let at = 0;
  for (const part of parts) {
    if (part.nullCount === 0) present.fill(1, at, at + part.length);
    else spread(part.nullBitmap, part.offset, part.length, present, at);
    at += part.length;
  }
  return present;
}

/** Bits into bytes. */
function spread(bits: Uint8Array, offset: number, rows: number, into: Uint8Array, at: number): void {
  for (let row = 0; row < rows; row++) {
    const bit = offset + row;
    into[at + row] = ((bits[bit >> 3] ?? 0) >> (bit & 7)) & 1;
  }
}

function valuesOf(type: DataType, parts: readonly Data[], rows: number): Values {
  if (DataType.isBool(type)) {
    const flags = new Uint8Array(rows);
    let at = 0;
    for (const part of parts) {
      spread(part.values, part.offset, part.length, flags, at);
      at += part.length;
    }
    return { kind: "boolean", flags };
  }
  if (DataType.isUtf8(type)) return { kind: "text", ...joinedTexts(parts, rows) };
  if (DataType.isBinary(type)) return { kind: "binary", ...joinedTexts(parts, rows) };
  if (DataType.isDecimal(type))
    return { kind: "decimal", scale: type.scale, words: joined(new Uint32Array(rows * 4), parts, 4) };
  if (DataType.isDate(type)) return { kind: "date", days: joined(new Int32Array(rows), parts) };
  if (DataType.isTime(type)) return { kind: "time", micros: joined(new BigInt64Array(rows), parts) };
  if (DataType.isTimestamp(type)) {
    const perSecond = [1, 1e3, 1e6, 1e9][type.unit] ?? 1e6;
    const isZoned = type.timezone !== null && type.timezone !== undefined;
    return { kind: "timestamp", ticks: joined(new BigInt64Array(rows), parts), perSecond, isZoned };
  }
  if (DataType.isInt(type) && type.bitWidth === 64) {
    const numbers = type.isSigned ? new BigInt64Array(rows) : new BigUint64Array(rows);
    return { kind: "whole", numbers: joined(numbers, parts) };
  }
  if (DataType.isInt(type) || DataType.isFloat(type)) {
    return { kind: "number", numbers: joined(new type.ArrayType(rows) as Numbers, parts) };
  }
  if (DataType.isNull(type)) return { kind: "text", offsets: new Int32Array(rows + 1), bytes: new Uint8Array() };
  throw new Error(`The result holds a column of a type that the console cannot show: ${String(type)}.`);
}

type Fixed = Numbers | BigInt64Array | BigUint64Array;

function joined<Joined extends Fixed>(into: Joined, parts: readonly Data[], width = 1): Joined {
  let at = 0;
  for (const part of parts) {
    const length = part.length * width;
    // Both are of the array type that belongs to the column's type.
    (into as Uint8Array).set((part.values as Uint8Array).subarray(0, length), at);
    at += length;
  }
  return into;
}

function joinedTexts(parts: readonly Data[], rows: number): { offsets: Int32Array; bytes: Uint8Array } {
  const sizes = parts.map(({ valueOffsets, length }) => (valueOffsets[length] ?? 0) - (valueOffsets[0] ?? 0));
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const offsets = new Int32Array(rows + 1);
  let [row, byte] = [0, 0];
  for (const [index, part] of parts.entries()) {
    const first = part.valueOffsets[0] ?? 0;
    bytes.set((part.values as Uint8Array).subarray(first, first + (sizes[index] ?? 0)), byte);
    for (let at = 0; at < part.length; at++) offsets[row + at + 1] = (part.valueOffsets[at + 1] ?? 0) - first + byte;
    row += part.length;
    byte += sizes[index] ?? 0;
  }
  return { offsets, bytes };
}
