import {
  type Condition,
  conditionOf,
  foldName,
  mayMatch,
  type Reference,
  type StoredColumns,
} from "../compiler/index.ts";
import type { LiveSlice, Snapshot } from "../datasets/index.ts";
import { duckdbType, isChangelog } from "../slices/index.ts";

/** The slices of a snapshot that a reference may need. Of a changelog all: what takes a row back may stand in any. */
export function neededSlices(reference: Reference, snapshot: Snapshot): readonly LiveSlice[] {
  if (snapshot.schema !== null && isChangelog(snapshot.schema)) return snapshot.slices;
  const columns = new Map(snapshot.schema?.fields.map((field) => [field.name, duckdbType(field)]));
  const own = [...columns.keys()].filter((name) => reference.added?.includes(foldName(name)) !== true);
  const condition = conditionOf(reference.select, reference.table, own);
  return condition === null ? snapshot.slices : snapshot.slices.filter((slice) => isNeeded(slice, condition));

  function isNeeded(slice: LiveSlice, condition: Condition): boolean {
    const written = snapshot.schemas[slice.schemaVersion - 1]?.schema;
    return written === undefined || mayMatch(condition, storedColumns(slice, written, columns));
  }
}

function storedColumns(
  slice: LiveSlice,
  written: NonNullable<Snapshot["schema"]>,
  types: ReadonlyMap<string, string>,
): StoredColumns {
  const rows = slice.lastOffset - slice.firstOffset + 1;
  return (column) => {
    const type = types.get(column);
    if (type === undefined) return null;
    // A column that came later is NULL in each earlier row.
    if (!written.fields.some((field) => field.name === column))
      return { type, storedType: type, min: null, max: null, nulls: "all" };
    if (column === "offset") {
      const bounds = { min: String(slice.firstOffset), max: String(slice.lastOffset) };
      return { type, storedType: type, ...bounds, nulls: "none" };
    }
    const known = slice.statistics?.find((one) => one.column === column);
    if (known === undefined) return null;
    return { type, storedType: known.type, min: known.min, max: known.max, nulls: nullsOf(known, rows) };
  };
}

function nullsOf(known: NonNullable<LiveSlice["statistics"]>[number], rows: number) {
  // Counts are kept by the path of a leaf: those of nested columns are not the column's own, and `a, b` may be b within a.
  if (known.nullCount === null || known.column.includes(",") || /[[(]/.test(known.type.replace(/^DECIMAL.*/, "")))
    return "unknown";
  return known.nullCount === 0 ? "none" : known.nullCount === rows ? "all" : "some";
}
