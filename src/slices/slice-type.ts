import { type DuckdbType, duckdbTypeName, mapLeaves, parseDuckdbType } from "./duckdb-type.ts";

/** Measured with DuckDB 1.5.6: what its Parquet writer would change, and a type that it keeps. */
const kept: Readonly<Record<string, string>> = {
  // Would become DOUBLE. A value of 39 digits does not fit: the cast says so.
  HUGEINT: "DECIMAL(38,0)",
  UHUGEINT: "DECIMAL(38,0)",
  // Would lose what is below a millisecond.
  INTERVAL: "VARCHAR",
  // Would lose its offset.
  "TIME WITH TIME ZONE": "VARCHAR",
  // Come back as text anyway.
  BIT: "VARCHAR",
  BIGNUM: "VARCHAR",
  // Come back as microseconds.
  TIMESTAMP_S: "TIMESTAMP",
  TIMESTAMP_MS: "TIMESTAMP",
};

/**
 * The type in which a column of a DuckDB type lies in a slice's Parquet file, so that no value is changed; casting back to
 * the column's type gives the same values. (Of a UNION only the text remains.)
 */
export function sliceType(type: string): string {
  return duckdbTypeName(withoutArrays(mapLeaves(parseDuckdbType(type), sliceLeaf)));
}

function sliceLeaf(name: string): string {
  return name.startsWith("ENUM") || name.startsWith("UNION") ? "VARCHAR" : (kept[name] ?? name);
}

/** Parquet has lists only. */
function withoutArrays(type: DuckdbType): DuckdbType {
  switch (type.kind) {
    case "leaf":
      return type;
    case "list":
      return { kind: "list", item: withoutArrays(type.item), length: null };
    case "struct":
      return { kind: "struct", fields: type.fields.map((one) => ({ ...one, type: withoutArrays(one.type) })) };
    case "map":
      return { kind: "map", key: withoutArrays(type.key), value: withoutArrays(type.value) };
  }
}
