import {
  DuckDBArrayType,
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBGeometryValue,
  DuckDBIntervalValue,
  DuckDBListType,
  DuckDBListValue,
  DuckDBMapType,
  DuckDBMapValue,
  DuckDBStructType,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBType,
  DuckDBTypeId,
  DuckDBUnionType,
  DuckDBUnionValue,
  type DuckDBValue,
  DuckDBVariantValue,
} from "@duckdb/node-api";

/**
 * Values as text, the same in `json`, `ndjson` and `csv`, at every depth:
 *
 * | type | text |
 * |---|---|
 * | whole numbers | digits; in JSON a string beyond 2^53 - 1, so that no reader rounds it |
 * | DECIMAL | all its digits; in JSON a string |
 * | FLOAT, DOUBLE | the shortest text that reads back the same; `NaN`, `Infinity`, `-Infinity` are strings in JSON |
 * | DATE, TIME | ISO 8601 |
 * | TIMESTAMP | ISO 8601 with six digits: `2026-01-31T09:30:00.500000`; WITH TIME ZONE in UTC with `Z` |
 * | INTERVAL | ISO 8601 duration: `P1Y2M3DT4H5M6.7S` |
 * | BLOB, GEOMETRY (WKB) | base64 |
 * | JSON | itself, unless it is no JSON: then a string |
 * | LIST, ARRAY; STRUCT | array; object |
 * | MAP | array of `{"key", "value"}`, as keys may be of any type |
 * | UNION | `{"tag", "value"}` |
 */
export function jsonText(value: DuckDBValue, type: DuckDBType): string {
  switch (typeof value) {
    case "boolean":
      return value ? "true" : "false";
    case "bigint":
      return isSafe(value) ? value.toString() : `"${value}"`;
    case "number":
      return Number.isFinite(value) ? numberText(value, type) : `"${value}"`;
    case "string":
      return type.alias === "JSON" ? embeddedJson(value) : JSON.stringify(value);
    default:
      return value === null ? "null" : (nestedText(value, type) ?? JSON.stringify(plainText(value, type)));
  }
}

/** A scalar without quotes, as CSV wants it; nested values as their JSON. */
export function plainText(value: DuckDBValue, type: DuckDBType): string {
  if (value === null) return "";
  if (typeof value === "number") return numberText(value, type);
  if (typeof value !== "object") return String(value);
  if (value instanceof DuckDBTimestampTZValue) return instantText(value.micros, value.isFinite);
  if (value instanceof DuckDBTimestampValue) return microsText(value.micros);
  if (
    value instanceof DuckDBTimestampSecondsValue ||
    value instanceof DuckDBTimestampMillisecondsValue ||
    value instanceof DuckDBTimestampNanosecondsValue
  ) {
    return value.toString().replace(" ", "T");
  }
  if (value instanceof DuckDBIntervalValue) return intervalText(value);
  if (value instanceof DuckDBBlobValue || value instanceof DuckDBGeometryValue) {
    return Buffer.from(value.bytes).toString("base64");
  }
  return nestedText(value, type) ?? value.toString();
}

/** null for what is not nested. */
function nestedText(value: Extract<DuckDBValue, object>, type: DuckDBType): string | null {
  if (value instanceof DuckDBListValue && type instanceof DuckDBListType) {
    return `[${value.items.map((item) => jsonText(item, type.valueType)).join(",")}]`;
  }
  if (value instanceof DuckDBArrayValue && type instanceof DuckDBArrayType) {
    return `[${value.items.map((item) => jsonText(item, type.valueType)).join(",")}]`;
  }
  if (value instanceof DuckDBStructValue && type instanceof DuckDBStructType) {
    const members = type.entryNames.map((name, index) => {
      const member = jsonText(value.entries[name] ?? null, type.entryTypes[index] ?? type);
      return `${JSON.stringify(name)}:${member}`;
    });
    return `{${members.join(",")}}`;
  }
  if (value instanceof DuckDBMapValue && type instanceof DuckDBMapType) {
    const entries = value.entries.map(
      (entry) => `{"key":${jsonText(entry.key, type.keyType)},"value":${jsonText(entry.value, type.valueType)}}`,
    );
    return `[${entries.join(",")}]`;
  }
  if (value instanceof DuckDBUnionValue && type instanceof DuckDBUnionType) {
    const member = type.memberTypes[type.memberTags.indexOf(value.tag)] ?? type;
    return `{"tag":${JSON.stringify(value.tag)},"value":${jsonText(value.value, member)}}`;
  }
  if (value instanceof DuckDBVariantValue) return jsonText(value.value, value.type ?? type);
  return null;
}

const largest = BigInt(Number.MAX_SAFE_INTEGER);
function isSafe(value: bigint): boolean {
  return value <= largest && value >= -largest;
}

/** FLOAT has 24 bits: its shortest text is not that of the double it widens to (0.1 is not 0.10000000149011612). */
function numberText(value: number, type: DuckDBType): string {
  if (Object.is(value, -0)) return "-0.0";
  if (type.typeId !== DuckDBTypeId.FLOAT || !Number.isFinite(value)) return String(value);
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(value);
}

// JSON has no line breaks inside its strings, so a raw break is white space and may become a space: NDJSON stays one line.
function embeddedJson(text: string): string {
  try {
    JSON.parse(text);
    return text.replace(/[\r\n]+/g, " ");
  } catch {
    return JSON.stringify(text);
  }
}

// Years 0000 to 9999, where Date's own text is ISO 8601; beyond, and for the infinities, DuckDB's.
const earliest = -62_167_219_200_000_000n;
const latest = 253_402_300_799_999_999n;

/** Microseconds since the epoch as ISO 8601 without a zone. */
function microsText(micros: bigint): string {
  if (micros < earliest || micros > latest) return new DuckDBTimestampValue(micros).toString().replace(" ", "T");
  const rest = Number(BigInt.asIntN(64, ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n));
  const seconds = Number((micros - BigInt(rest)) / 1_000_000n);
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(rest).padStart(6, "0")}`;
}

function instantText(micros: bigint, finite: boolean): string {
  return finite ? `${microsText(micros)}Z` : microsText(micros);
}

function intervalText({ months, days, micros }: DuckDBIntervalValue): string {
  const part = (amount: number | bigint, letter: string) => (Number(amount) === 0 ? "" : `${amount}${letter}`);
  const date = part(Math.trunc(months / 12), "Y") + part(months % 12, "M") + part(days, "D");
  const time = part(micros / 3_600_000_000n, "H") + part((micros / 60_000_000n) % 60n, "M") + secondsText(micros);
  return date + time === "" ? "PT0S" : `P${date}${time && `T${time}`}`;
}

function secondsText(micros: bigint): string {
  const rest = Number(micros % 60_000_000n) / 1_000_000;
  return rest === 0 ? "" : `${rest.toFixed(6).replace(/\.?0+$/, "")}S`;
}
