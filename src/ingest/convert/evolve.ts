import type { Observation } from "./observe.ts";
import { type Column, type ColumnType, sameType, scalar } from "./types.ts";

/** What a widening of two types gives, or null where no type holds both. `slices.widen` in Millrace. */
export type Widen = (a: ColumnType, b: ColumnType) => ColumnType | null;

export interface Evolution {
  readonly columns: readonly Column[];
  readonly changed: boolean;
  /** Keys that so far hold nulls only: no column is made of them yet. */
  readonly emptyKeys: readonly string[];
}

/**
 * The columns after a batch. Pure.
 * - A new key becomes a column of the narrowest type that holds all its values; one without values waits.
 * - A known column is widened where a value does not fit it and `widen` finds a type that holds both; a text among numbers
 *   does not count, for it either casts exactly or goes to quarantine. Declared columns stay as declared.
 * - Names are compared without case, as SQL does.
 */
export function evolve(
  columns: readonly Column[],
  seen: readonly Observation[],
  options: { declared: ReadonlySet<string>; widen: Widen; keepEmpty: boolean },
): Evolution {
  const after = [...columns];
  const emptyKeys: string[] = [];
  let changed = false;
  for (const found of merged(seen)) {
    const folded = found.key.toLowerCase();
    const at = after.findIndex((column) => column.name.toLowerCase() === folded);
    const known = at < 0 ? undefined : after[at];
    if (folded === "event_time") continue;
    if (known === undefined) {
      const type = newType(found) ?? (options.keepEmpty ? scalar("VARCHAR") : null);
      if (type === null) emptyKeys.push(found.key);
      else {
        after.push({ name: found.key, type });
        changed = true;
      }
      continue;
    }
    if (options.declared.has(folded)) continue;
    const wanted = wantedType(known.type, found);
    if (wanted === null || sameType(wanted, known.type)) continue;
    const wide = options.widen(known.type, wanted);
    if (wide === null || sameType(wide, known.type)) continue;
    after[at] = { name: known.name, type: wide };
    changed = true;
  }
  return { columns: after, changed, emptyKeys };
}

/** Keys that differ in case only are one column. */
function merged(seen: readonly Observation[]): Observation[] {
  const byName = new Map<string, Observation>();
  for (const found of seen) {
    const folded = found.key.toLowerCase();
    const before = byName.get(folded);
    byName.set(folded, before === undefined ? found : sum(before, found));
  }
  return [...byName.values()];
}

function sum(a: Observation, b: Observation): Observation {
  return {
    key: a.key,
    filled: a.filled + b.filled,
    booleans: a.booleans + b.booleans,
    integers: a.integers + b.integers,
    bigIntegers: a.bigIntegers + b.bigIntegers,
    reals: a.reals + b.reals,
    fractions: a.fractions + b.fractions,
    texts: a.texts + b.texts,
    dates: a.dates + b.dates,
    timestamps: a.timestamps + b.timestamps,
    zoned: a.zoned + b.zoned,
    textIntegers: a.textIntegers + b.textIntegers,
    textBigIntegers: a.textBigIntegers + b.textBigIntegers,
    textNumbers: a.textNumbers + b.textNumbers,
    textBooleans: a.textBooleans + b.textBooleans,
    misfits: a.misfits + b.misfits,
    objects: a.objects + b.objects,
    lists: a.lists + b.lists,
    // Two spellings with nested values of possibly different shape: JSON holds both.
    structure: a.structure === null || b.structure === null ? (a.structure ?? b.structure) : '"JSON"',
  };
}

/** null: no value yet. */
function newType(found: Observation): ColumnType | null {
  const { filled } = found;
  if (filled === 0) return null;
  const nested = found.objects + found.lists;
  if (nested === filled && found.structure !== null) return structureType(parse(found.structure));
  if (nested > 0) return scalar("JSON");
  if (found.booleans === filled) return scalar("BOOLEAN");
  const numbers = found.integers + found.bigIntegers + found.reals;
  if (numbers === filled) return numberType(found.integers, found.bigIntegers, found.reals);
  if (found.texts !== filled) return scalar("VARCHAR");
  const textNumbers = found.textIntegers + found.textBigIntegers + found.textNumbers;
  if (textNumbers === filled) return numberType(found.textIntegers, found.textBigIntegers, found.textNumbers);
  if (found.textBooleans === filled) return scalar("BOOLEAN");
  return timeType(found) ?? scalar("VARCHAR");
}

function numberType(_integers: number, big: number, reals: number): ColumnType {
  if (reals > 0) return scalar("DOUBLE");
  return scalar(big > 0 ? "DECIMAL(38,0)" : "BIGINT");
}

/** Times only: a column whose texts are all dates, or all points in time. */
function timeType(found: Observation): ColumnType | null {
  if (found.dates + found.timestamps + found.zoned !== found.texts) return null;
  if (found.zoned > 0) return scalar("TIMESTAMP WITH TIME ZONE");
  return scalar(found.timestamps > 0 ? "TIMESTAMP" : "DATE");
}

const numeric = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|DECIMAL.*|U?HUGEINT)$/;
const temporal = /^(DATE|TIMESTAMP.*)$/;

/** Whether values are held against the column one by one: of the other types, their kinds tell enough. */
export function isJudged(type: ColumnType): boolean {
  if (type.kind !== "scalar") return true;
  return numeric.test(type.name) && !["BIGINT", "DOUBLE", "DECIMAL(38,0)"].includes(type.name);
}

/** The type that this batch asks a known column to hold; null where it asks nothing that widening could give. */
function wantedType(known: ColumnType, found: Observation): ColumnType | null {
  if (found.filled === 0 || (isJudged(known) && found.misfits === 0)) return null;
  if (known.kind !== "scalar") return found.structure === null ? null : structureType(parse(found.structure));
  if (numeric.test(known.name)) {
    // Whole numbers written with a point fit an integer column as they are.
    const fractions = found.fractions + found.textNumbers;
    const big = found.bigIntegers + found.textBigIntegers;
    if (fractions > 0) return scalar("DOUBLE");
    if (big > 0) return scalar("DECIMAL(38,0)");
    return found.integers + found.textIntegers > 0 ? scalar("BIGINT") : null;
  }
  if (temporal.test(known.name)) {
    if (found.zoned > 0) return scalar("TIMESTAMP WITH TIME ZONE");
    return found.timestamps > 0 ? scalar("TIMESTAMP") : null;
  }
  return null;
}

function parse(structure: string): unknown {
  return JSON.parse(structure);
}

/**
 * Deeper values stay JSON from there on: the engine's time for a list in a list doubles with each level, so that one short line
 * of brackets would keep a worker busy for ever.
 */
const deepest = 10;

/** From `json_structure`: a name, a list with one item, or an object. */
export function structureType(structure: unknown, depth = 0): ColumnType {
  if (depth > deepest) return scalar("JSON");
  if (Array.isArray(structure)) return { kind: "list", item: structureType(structure[0], depth + 1) };
  if (typeof structure === "object" && structure !== null) {
    const fields = Object.entries(structure);
    const names = new Set(fields.map(([name]) => name.toLowerCase()));
    // DuckDB tells struct members apart without case; what it could not tell apart stays JSON.
    if (fields.length === 0 || names.size < fields.length || names.has("")) return scalar("JSON");
    return { kind: "struct", fields: fields.map(([name, type]) => ({ name, type: structureType(type, depth + 1) })) };
  }
  switch (structure) {
    case "BOOLEAN":
    case "DOUBLE":
    case "BIGINT":
    case "VARCHAR":
      return scalar(structure);
    case "UBIGINT":
      return scalar("BIGINT");
    case "HUGEINT":
    case "UHUGEINT":
      return scalar("DECIMAL(38,0)");
    case "NULL":
      return scalar("VARCHAR");
    default:
      return scalar("JSON");
  }
}
