import { parseDuckdbType } from "../slices/index.ts";

const leaves = new Set(
  `BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT FLOAT DOUBLE VARCHAR BLOB BIT
  DATE TIME TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS INTERVAL UUID JSON`.split(/\s+/),
);
const zoned = ["TIME WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"];
const widestDecimal = 38;

/** Ingest reads values of deeper types ever more slowly. */
const deepest = 10;

/** Whether a column can have this DuckDB type: one of DuckDB's own, or a list, struct or map of them. */
export function isColumnType(text: string): boolean {
  return isKnown(parseDuckdbType(text), 0);
}

function isKnown(type: ReturnType<typeof parseDuckdbType>, depth: number): boolean {
  if (depth > deepest) return false;
  switch (type.kind) {
    case "list":
      return isKnown(type.item, depth + 1);
    case "struct":
      return type.fields.every((field) => field.name !== "" && isKnown(field.type, depth + 1));
    case "map":
      return isKnown(type.key, depth + 1) && isKnown(type.value, depth + 1);
    case "leaf": {
      if (leaves.has(type.name) || zoned.includes(type.name) || /^ENUM\s*\(.+\)$/s.test(type.name)) return true;
      const [, width = "0", scale = "0"] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type.name) ?? [];
      return Number(width) >= 1 && Number(width) <= widestDecimal && Number(scale) <= Number(width);
    }
  }
}
