import type { DataField, DataSchema, DataType } from "./data-schema.ts";
import { type DuckdbType, duckdbTypeName, mapLeaves, parseDuckdbType } from "./duckdb-type.ts";

/** What ODF cannot say of a DuckDB type is kept under this attribute of the field, so that the way back is exact. */
const duckdbAttribute = "millrace.dev/duckdbType";

const leaves: Readonly<Record<string, DataType>> = {
  BOOLEAN: { kind: "Bool" },
  TINYINT: { kind: "Int8" },
  SMALLINT: { kind: "Int16" },
  INTEGER: { kind: "Int32" },
  BIGINT: { kind: "Int64" },
  UTINYINT: { kind: "UInt8" },
  USMALLINT: { kind: "UInt16" },
  UINTEGER: { kind: "UInt32" },
  UBIGINT: { kind: "UInt64" },
  FLOAT: { kind: "Float32" },
  DOUBLE: { kind: "Float64" },
  VARCHAR: { kind: "String" },
  BLOB: { kind: "Binary" },
  DATE: { kind: "Date" },
  TIME: { kind: "Time", unit: "Microsecond" },
  "TIMESTAMP WITH TIME ZONE": { kind: "Timestamp", unit: "Microsecond", timezone: "UTC" },
  '"NULL"': { kind: "Null" },
};

/**
 * Types that ODF has no own word for, and the nearest one it has. A timestamp without a zone is among them, since ODF
 * reads an absent zone as UTC.
 */
const nearest: Readonly<Record<string, DataType>> = {
  TIMESTAMP: { kind: "Timestamp", unit: "Microsecond" },
  TIMESTAMP_S: { kind: "Timestamp", unit: "Second" },
  TIMESTAMP_MS: { kind: "Timestamp", unit: "Millisecond" },
  TIMESTAMP_NS: { kind: "Timestamp", unit: "Nanosecond" },
  HUGEINT: { kind: "Decimal", precision: 38, scale: 0 },
  UHUGEINT: { kind: "Decimal", precision: 38, scale: 0 },
  INTERVAL: { kind: "Duration", unit: "Microsecond" },
};

function toDataType(type: DuckdbType): DataType {
  switch (type.kind) {
    case "list": {
      const itemType = optional(toDataType(type.item));
      return type.length === null ? { kind: "List", itemType } : { kind: "List", itemType, fixedLength: type.length };
    }
    case "struct":
      return {
        kind: "Struct",
        fields: type.fields.map((field) => ({ name: field.name, type: optional(toDataType(field.type)) })),
      };
    case "map":
      return { kind: "Map", keyType: toDataType(type.key), valueType: optional(toDataType(type.value)) };
    case "leaf": {
      const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(type.name);
      if (decimal !== null) return { kind: "Decimal", precision: Number(decimal[1]), scale: Number(decimal[2]) };
      return leaves[type.name] ?? nearest[type.name] ?? { kind: "String" };
    }
  }
}

function optional(inner: DataType): DataType {
  return { kind: "Option", inner };
}

function fromDataType(type: DataType): string {
  switch (type.kind) {
    case "Option":
      return fromDataType(type.inner);
    case "List":
      return `${fromDataType(type.itemType)}[${type.fixedLength ?? ""}]`;
    case "Struct":
      return duckdbTypeName({
        kind: "struct",
        fields: type.fields.map((field) => ({ name: field.name, type: parseDuckdbType(duckdbType(field)) })),
      });
    case "Map":
      return `MAP(${fromDataType(type.keyType)}, ${fromDataType(type.valueType)})`;
    case "Decimal":
      return `DECIMAL(${type.precision},${type.scale})`;
    case "Timestamp":
      return "TIMESTAMP WITH TIME ZONE";
    case "Time":
      return "TIME";
    case "Duration":
      return "INTERVAL";
    case "Float16":
      return "FLOAT";
    default:
      return Object.entries(leaves).find(([, leaf]) => leaf.kind === type.kind)?.[0] ?? "VARCHAR";
  }
}

/** DuckDB's name of a field's type. */
export function duckdbType(field: DataField): string {
  const said = field.extra?.[duckdbAttribute];
  return typeof said === "string" ? said : fromDataType(field.type);
}

/** A nullable column of a DuckDB type. An ENUM is text: its values are the data's matter, not the schema's. */
export function fieldFromDuckdb(name: string, type: string): DataField {
  const parsed = mapLeaves(parseDuckdbType(type), (leaf) => (leaf.startsWith("ENUM") ? "VARCHAR" : leaf));
  const field: DataField = { name, type: optional(toDataType(parsed)) };
  const exact = duckdbTypeName(parsed);
  return duckdbTypeName(parseDuckdbType(fromDataType(field.type))) === exact
    ? field
    : { ...field, extra: { [duckdbAttribute]: exact } };
}

/** The columns that every slice begins with, in order (ODF specification, "Common Data Schema"; RFC 015 for `op`). */
export const systemFields: readonly DataField[] = [
  { name: "offset", type: { kind: "UInt64" } },
  { name: "op", type: { kind: "UInt8" } },
  { name: "system_time", type: { kind: "Timestamp", unit: "Microsecond", timezone: "UTC" } },
  { name: "event_time", type: { kind: "Timestamp", unit: "Microsecond", timezone: "UTC" } },
];

export const systemColumns: readonly string[] = systemFields.map((field) => field.name);

/** The schema of a dataset with these columns of its own. */
export function schemaWith(columns: readonly DataField[]): DataSchema {
  return { fields: [...systemFields, ...columns] };
}

/** The columns that are not the system's. */
export function ownColumns(schema: DataSchema): readonly DataField[] {
  return schema.fields.slice(systemFields.length);
}
