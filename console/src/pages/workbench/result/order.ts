import { bytesOf, type Column, isNull, numberOf, textOf, wholeOf } from "./column.ts";

export interface SortKey {
  readonly column: number;
  readonly isDescending: boolean;
}

export interface Filter {
  readonly column: number;
  /** What somebody wrote over the column; `conditionOf` tells its words. */
  readonly text: string;
}

type Columns = (index: number) => Column;

/**
 * The rows that pass every filter, in the order of the keys; equal rows stay as the server sent them, and nulls come last either way.
 */
export function orderOf(
  rows: number,
  columns: Columns,
  filters: readonly Filter[],
  keys: readonly SortKey[],
): Uint32Array {
  const tests = filters.flatMap(({ column, text }) => conditionOf(columns(column), text) ?? []);
  const order = new Uint32Array(rows);
  let kept = 0;
  for (let row = 0; row < rows; row++) if (tests.every((test) => test(row))) order[kept++] = row;
  const found = order.subarray(0, kept);
  if (keys.length > 0) {
    const compares = keys.map(({ column, isDescending }) => comparisonOf(columns(column), isDescending));
    found.sort((a, b) => {
      for (const compare of compares) {
        const difference = compare(a, b);
        if (difference !== 0) return difference;
      }
      return a - b;
    });
  }
  return found.slice();
}

type Comparison = (a: number, b: number) => number;

/** Rough numbers decide where they differ, since they are quick; the exact values where they do not. */
function comparisonOf(column: Column, isDescending: boolean): Comparison {
  const rough = roughOf(column);
  const exact = exactOf(column);
  const sign = isDescending ? -1 : 1;
  return (a, b) => {
    const [left, right] = [rough[a] ?? 0, rough[b] ?? 0];
    if (left < right) return left === nullFirst ? 1 : -sign;
    if (left > right) return right === nullFirst ? -1 : sign;
    return left === nullFirst ? 0 : sign * exact(a, b);
  };
}

/** Below every value, so that it is found by one comparison. */
const nullFirst = Number.NEGATIVE_INFINITY;

function roughOf(column: Column): Float64Array {
  const rough = new Float64Array(column.rows);
  const { values } = column;
  for (let row = 0; row < column.rows; row++) {
    if (isNull(column, row)) rough[row] = nullFirst;
    else if (values.kind === "text" || values.kind === "binary") rough[row] = firstBytes(bytesOf(values, row));
    else rough[row] = placed(numberOf(column, row));
  }
  return rough;
}

/** Not a number is the greatest, as the server sorts it; the infinities keep their places without being taken for null. */
function placed(value: number): number {
  if (Number.isNaN(value)) return Number.POSITIVE_INFINITY;
  if (value === Number.POSITIVE_INFINITY) return Number.MAX_VALUE;
  return value === Number.NEGATIVE_INFINITY ? -Number.MAX_VALUE : value;
}

/** Six bytes as one number: texts differ there more often than not. */
function firstBytes(bytes: Uint8Array): number {
  let value = 0;
  for (let at = 0; at < 6; at++) value = value * 257 + (at < bytes.length ? (bytes[at] ?? 0) + 1 : 0);
  return value;
}

function exactOf(column: Column): Comparison {
  const { values } = column;
  switch (values.kind) {
    case "whole":
      return bigComparison((row) => values.numbers[row] ?? 0n);
    case "decimal":
      return bigComparison((row) => wholeOf(values.words, row));
    case "timestamp":
      return bigComparison((row) => values.ticks[row] ?? 0n);
    case "time":
      return bigComparison((row) => values.micros[row] ?? 0n);
    case "text":
    case "binary":
      return (a, b) => compareBytes(bytesOf(values, a), bytesOf(values, b));
    case "number":
    case "boolean":
    case "date":
      return () => 0;
  }
}

function bigComparison(of: (row: number) => bigint): Comparison {
  return (a, b) => {
    const [left, right] = [of(a), of(b)];
    return left < right ? -1 : left > right ? 1 : 0;
  };
}

/** UTF-8 sorts by its bytes as its characters do. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

type Test = (row: number) => boolean;

/**
 * The words over a column: `null`, `!null`; `=x`, `!=x`, `<x`, `<=x`, `>x`, `>=x` compare, numbers as numbers; `!x` has not, anything
 * else has that text in it, in whatever case. Null where nothing is asked.
 */
export function conditionOf(column: Column, text: string): Test | null {
  const wanted = text.trim();
  if (wanted === "") return null;
  if (wanted.toLowerCase() === "null") return (row) => isNull(column, row);
  if (/^!\s*null$/i.test(wanted)) return (row) => !isNull(column, row);
  const [, operator, operand] = /^(<=|>=|!=|<>|=|<|>)(.*)$/s.exec(wanted) ?? [];
  if (operator !== undefined && operand !== undefined) return comparing(column, operator, operand.trim());
  const isWithout = wanted.startsWith("!");
  const has = containing(column, (isWithout ? wanted.slice(1) : wanted).trim().toLowerCase());
  return (row) => !isNull(column, row) && has(row) !== isWithout;
}

/** Texts are searched as the bytes they are where the part allows it: making a million strings takes seconds. */
function containing(column: Column, part: string): Test {
  const { values } = column;
  if (values.kind !== "text" || !/^[\x20-\x7e]*$/.test(part)) {
    return (row) => textOf(column, row).toLowerCase().includes(part);
  }
  const wanted = new TextEncoder().encode(part);
  return (row) => hasBytes(values.bytes, values.offsets[row] ?? 0, values.offsets[row + 1] ?? 0, wanted);
}

/** Whether the bytes between two places hold others, capital letters of ASCII read as small ones. */
function hasBytes(bytes: Uint8Array, from: number, to: number, wanted: Uint8Array): boolean {
  const last = to - wanted.length;
  for (let start = from; start <= last; start++) {
    let at = 0;
    while (at < wanted.length && small(bytes[start + at] ?? 0) === wanted[at]) at++;
    if (at === wanted.length) return true;
  }
  return false;
}

const small = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte);

function comparing(column: Column, operator: string, operand: string): Test {
  const difference = differenceTo(column, operand);
  const holds = (sign: number): boolean => {
    switch (operator) {
      case "<":
        return sign < 0;
      case "<=":
        return sign <= 0;
      case ">":
        return sign > 0;
      case ">=":
        return sign >= 0;
      case "=":
        return sign === 0;
      default:
        return sign !== 0;
    }
  };
  return (row) => !isNull(column, row) && holds(difference(row));
}

/** How a row's value stands to what was written: as exact whole numbers, as numbers, or as texts (moments are written so that texts do). */
function differenceTo(column: Column, operand: string): (row: number) => number {
  const { values } = column;
  if (values.kind === "whole" && /^[-+]?\d+$/.test(operand)) {
    const to = BigInt(operand);
    return (row) => signOf(values.numbers[row] ?? 0n, to);
  }
  if (values.kind === "decimal") {
    const to = unscaled(operand, values.scale);
    if (to !== null) return (row) => signOf(wholeOf(values.words, row), to);
  }
  const number = Number(operand);
  const isNumber = operand !== "" && !Number.isNaN(number);
  if (isNumber && (values.kind === "number" || values.kind === "whole" || values.kind === "decimal")) {
    return (row) => signOf(numberOf(column, row), number);
  }
  return (row) => signOf(textOf(column, row), operand);
}

const signOf = <Value extends bigint | number | string>(a: Value, b: Value): number => (a < b ? -1 : a > b ? 1 : 0);

/** The whole number behind a decimal's text; null where it has more places than the column. */
function unscaled(text: string, scale: number): bigint | null {
  const [, sign, whole, fraction = ""] = /^([-+]?)(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  if (whole === undefined || fraction.length > scale) return null;
  const value = BigInt(whole + fraction.padEnd(scale, "0"));
  return sign === "-" ? -value : value;
}
