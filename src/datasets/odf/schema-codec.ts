import { MillraceError } from "../../base/index.ts";
import {
  type DataField,
  type DataSchema,
  type DataType,
  type Extra,
  type TimeUnit,
  timeUnits,
} from "../../slices/index.ts";
import type { TableReader } from "./table-reader.ts";
import type { TableField, TableWriter } from "./table-writer.ts";

/** The union DataType of the specification, in its order: codes count from 1. */
const typeKinds = [
  "Binary",
  "Bool",
  "Date",
  "Decimal",
  "Duration",
  "Float16",
  "Float32",
  "Float64",
  "Int8",
  "Int16",
  "Int32",
  "Int64",
  "UInt8",
  "UInt16",
  "UInt32",
  "UInt64",
  "List",
  "Map",
  "Null",
  "Option",
  "Struct",
  "Time",
  "Timestamp",
  "String",
] as const satisfies readonly DataType["kind"][];

const code = (type: DataType) => typeKinds.indexOf(type.kind) + 1;

export function writeSchema(writer: TableWriter, schema: DataSchema): number {
  const fields = writer.offsets(schema.fields.map((field) => writeField(writer, field)));
  return writer.table(2, [{ slot: 0, kind: "offset", offset: fields }, writeExtra(writer, schema.extra, 1)]);
}

/** table ExtraAttributes {entries: string} holds JSON. */
export function writeExtra(writer: TableWriter, extra: Extra | undefined, slot: number): TableField | null {
  if (extra === undefined) return null;
  const entries = writer.string(JSON.stringify(extra));
  return { slot, kind: "offset", offset: writer.table(1, [{ slot: 0, kind: "offset", offset: entries }]) };
}

function writeField(writer: TableWriter, field: DataField): number {
  const name = writer.string(field.name);
  const type = writeType(writer, field.type);
  const extra = writeExtra(writer, field.extra, 3);
  return writer.table(4, [
    { slot: 0, kind: "offset", offset: name },
    { slot: 1, kind: "int8", value: code(field.type) },
    { slot: 2, kind: "offset", offset: type },
    extra,
  ]);
}

const inner = (type: DataType, slot: number, offset: number): TableField[] => [
  { slot, kind: "int8", value: code(type) },
  { slot: slot + 1, kind: "offset", offset },
];

function writeType(writer: TableWriter, type: DataType): number {
  const optional = (slot: number, kind: "int64" | "int16" | "int8", value: number | undefined): TableField | null =>
    value === undefined ? null : { slot, kind, value };
  const unit = (slot: number, name: TimeUnit | undefined) =>
    optional(slot, "int16", name === undefined ? undefined : timeUnits.indexOf(name));
  switch (type.kind) {
    case "Binary":
      return writer.table(1, [optional(0, "int64", type.fixedLength)]);
    case "Decimal":
      return writer.table(2, [
        type.precision === 0 ? null : { slot: 0, kind: "int32", value: type.precision },
        type.scale === 0 ? null : { slot: 1, kind: "int32", value: type.scale },
      ]);
    case "Duration":
    case "Time":
      return writer.table(1, [unit(0, type.unit)]);
    case "Timestamp": {
      const zone = type.timezone === undefined ? null : writer.string(type.timezone);
      return writer.table(2, [unit(0, type.unit), zone === null ? null : { slot: 1, kind: "offset", offset: zone }]);
    }
    case "List": {
      const item = writeType(writer, type.itemType);
      return writer.table(3, [...inner(type.itemType, 0, item), optional(2, "int64", type.fixedLength)]);
    }
    case "Map": {
      const key = writeType(writer, type.keyType);
      const value = writeType(writer, type.valueType);
      const sorted = type.keysSorted === undefined ? undefined : Number(type.keysSorted);
      return writer.table(5, [
        ...inner(type.keyType, 0, key),
        ...inner(type.valueType, 2, value),
        optional(4, "int8", sorted),
      ]);
    }
    case "Option":
      return writer.table(2, inner(type.inner, 0, writeType(writer, type.inner)));
    case "Struct":
      return writer.table(1, [
        { slot: 0, kind: "offset", offset: writer.offsets(type.fields.map((field) => writeField(writer, field))) },
      ]);
    default:
      return writer.table(0, []);
  }
}

export function readSchema(table: TableReader): DataSchema {
  const fields = (table.tables(0) ?? []).map(readField);
  return { fields, ...readExtra(table, 1) };
}

export function readExtra(table: TableReader, slot: number): { extra?: Extra } {
  const entries = table.table(slot)?.string(0);
  if (entries === null || entries === undefined) return {};
  const parsed: unknown = JSON.parse(entries);
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw broken("its extra attributes are no object");
  return { extra: { ...parsed } };
}

function readField(table: TableReader): DataField {
  return { name: table.string(0) ?? "", type: readType(table, 1), ...readExtra(table, 3) };
}

/** A union stands in two slots: its code and its table. */
function readType(parent: TableReader, slot: number): DataType {
  const kind = typeKinds[(parent.int8(slot) ?? 0) - 1];
  const table = parent.table(slot + 1);
  if (kind === undefined || table === null) throw broken("it has a type that this version does not know");
  const unit = (at: number) => {
    const found = timeUnits[table.int16(at) ?? -1];
    return found === undefined ? {} : { unit: found };
  };
  const length = (at: number) => {
    const found = table.int64(at);
    return found === null ? {} : { fixedLength: found };
  };
  switch (kind) {
    case "Binary":
      return { kind, ...length(0) };
    case "Decimal":
      return { kind, precision: table.int32(0) ?? 0, scale: table.int32(1) ?? 0 };
    case "Duration":
    case "Time":
      return { kind, ...unit(0) };
    case "Timestamp": {
      const timezone = table.string(1);
      return { kind, ...unit(0), ...(timezone === null ? {} : { timezone }) };
    }
    case "List":
      return { kind, itemType: readType(table, 0), ...length(2) };
    case "Map": {
      const sorted = table.int8(4);
      const keysSorted = sorted === null ? {} : { keysSorted: sorted !== 0 };
      return { kind, keyType: readType(table, 0), valueType: readType(table, 2), ...keysSorted };
    }
    case "Option":
      return { kind, inner: readType(table, 0) };
    case "Struct":
      return { kind, fields: (table.tables(0) ?? []).map(readField) };
    default:
      return { kind };
  }
}

export function broken(why: string): MillraceError {
  return new MillraceError("chain_broken", `The block cannot be read: ${why}.`);
}
