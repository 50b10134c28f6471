import { parseDuckdbType } from "../slices/index.ts";

const leaves = new Set(
  `BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT FLOAT DOUBLE VARCHAR BLOB BIT
  DATE TIME TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS INTERVAL UUID JSON`.split(/\s+/),
);
const zoned = ["TIME WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"];
const widestDecimal = 38;

/** Whether a column can have this DuckDB type: one of DuckDB's own, or a list, struct or map of them. */
export function isColumnType(text: string): boolean {
  return isKnown(parseDuckdbType(text));
}

function isKnown(type: ReturnType<typeof parseDuckdbType>): boolean {
  switch (type.kind) {
    case "list":
      return isKnown(type.item);
    case "struct":
      return type.fields.every((field) => field.name !== "" && isKnown(field.type));
    case "map":
      return isKnown(type.key) && isKnown(type.value);
    case "leaf": {
      if (leaves.has(type.name) || zoned.includes(type.name) || /^ENUM\s*\(.+\)$/s.test(type.name)) return true;
      const [, width = "0", scale = "0"] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type.name) ?? [];
      return Number(width) >= 1 && Number(width) <= widestDecimal && Number(scale) <= Number(width);
    }
  }
}
