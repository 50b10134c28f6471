import { type Constant, type Digits, type TimeType, timeType, timeTypes } from "./constant.ts";

/** Where a value may lie in its column's order: numbers, or microseconds since the epoch. */
export interface Span {
  readonly least: number;
  readonly most: number;
}

/** A column's order. Values of one order compare as numbers do; those of two orders do not compare. */
export type Order =
  | { readonly kind: "number"; readonly isFloat: boolean; readonly decimal: Digits }
  | { readonly kind: "time"; readonly type: TimeType };

/** Digits of whole types. */
const wholeDigits: Readonly<Record<string, number>> = {
  TINYINT: 3,
  UTINYINT: 3,
  SMALLINT: 5,
  USMALLINT: 5,
  INTEGER: 10,
  UINTEGER: 10,
  BIGINT: 19,
  UBIGINT: 20,
  HUGEINT: 38,
  UHUGEINT: 38,
};

const bigintDigits: Digits = { width: 19, scale: 0 };

/** null for a type whose values are not compared here (text, lists, nanoseconds). */
export function orderOfType(type: string): Order | null {
  const time = timeType(type);
  if (time !== null) return { kind: "time", type: time };
  const isFloat = type === "FLOAT";
  if (isFloat || type === "DOUBLE") return { kind: "number", isFloat, decimal: { width: 0, scale: 0 } };
  const [, width, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? [];
  const decimal = { width: Number(width ?? wholeDigits[type]), scale: Number(scale ?? 0) };
  return Number.isNaN(decimal.width) ? null : { kind: "number", isFloat, decimal };
}

/** Whether a value keeps its place among the others when a column of the type `from` becomes one of the type `to`. */
export function keepsOrder(from: Order, to: Order): boolean {
  if (from.kind === "time" && to.kind === "time") return timeTypes.indexOf(from.type) <= timeTypes.indexOf(to.type);
  return from.kind === "number" && to.kind === "number";
}

/** A slice's bound, as DuckDB wrote it as text; null where it is not known to lie anywhere. */
export function spanOfBound(text: string, stored: Order, order: Order): Span | null {
  if (stored.kind === "time" || order.kind === "time")
    return stored.kind === "time" ? pointsOf(text, [stored.type]) : null;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  return Number.isFinite(value) ? roomAround(value, order, 0) : null;
}

/** Where a column's value must lie to equal the constant; null where that is not known. */
export function spanOfConstant(constant: Constant, order: Order, beside: readonly Constant[]): Span | null {
  if (constant.kind === "number")
    return order.kind === "number" ? roomAround(constant.value, order, decimalRoom(order, beside)) : null;
  if (order.kind !== "time") return null;
  if (constant.cast !== null) return pointsOf(constant.text, [constant.cast]);
  // A text takes the type of the column, or of a constant beside it.
  return pointsOf(constant.text, timeTypes.slice(timeTypes.indexOf(order.type)));
}

/**
 * Comparisons are made in a type that need not hold both sides exactly: FLOAT rounds at 24 bits (0.3::FLOAT = 0.30000001),
 * DOUBLE at 53, and so does JavaScript here.
 */
function roomAround(value: number, order: Order & { kind: "number" }, atLeast: number): Span {
  const relative = order.isFloat ? 2 ** -22 : 2 ** -50;
  const smallest = order.isFloat ? 2 ** -120 : 2 ** -1000;
  const room = Math.max(Math.abs(value) * relative, smallest, atLeast);
  return { least: value - room, most: value + room };
}

/** Decimals that have no common type of 38 digits lose those behind the point: a half may equal one. */
function decimalRoom({ decimal }: Order & { kind: "number" }, beside: readonly Constant[]): number {
  const constants = beside.map((one) => (one.kind === "number" && one.decimal !== null ? one.decimal : bigintDigits));
  const all = [decimal, ...constants];
  const whole = Math.max(...all.map(({ width, scale }) => width - scale));
  return whole + Math.max(...all.map(({ scale }) => scale)) > 38 ? 1 : 0;
}

const pattern =
  /^(?<date>\d{4}-\d\d-\d\d)(?:[ T](?<time>\d\d:\d\d)(?::(?<seconds>\d\d)(?:\.(?<fraction>\d{1,6}))?)?)?(?:Z|(?<sign>[+-])(?<hours>\d\d)(?::?(?<minutes>\d\d))?)?$/;

/**
 * The points in time that a text may say in types of time. A DATE forgets the time of day, a TIMESTAMP the zone; sessions
 * are in UTC. null for what is written otherwise.
 */
function pointsOf(text: string, types: readonly TimeType[]): Span | null {
  const {
    date,
    time = "00:00",
    seconds = "00",
    fraction = "",
    sign,
    hours,
    minutes,
  } = pattern.exec(text.trim())?.groups ?? {};
  const dayStart = Date.parse(`${date}T00:00:00Z`);
  const local = Date.parse(`${date}T${time}:${seconds}Z`);
  // JavaScript takes the 31st of every month, and 24:00:00 for a day's end.
  if (
    Number.isNaN(dayStart) ||
    Number.isNaN(local) ||
    new Date(local).toISOString() !== `${date}T${time}:${seconds}.000Z`
  )
    return null;
  const zoneMs =
    sign === undefined ? 0 : (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes ?? 0)) * 60_000;
  const micros = Number(fraction.padEnd(6, "0"));
  const said: Readonly<Record<TimeType, number>> = {
    DATE: dayStart * 1000,
    TIMESTAMP: local * 1000 + micros,
    "TIMESTAMP WITH TIME ZONE": (local - zoneMs) * 1000 + micros,
  };
  const points = types.map((type) => said[type]);
  const [least, most] = [Math.min(...points), Math.max(...points)];
  // Beyond the year 2255 microseconds are no exact numbers.
  const room = 2 + Math.max(Math.abs(least), Math.abs(most)) * 2 ** -50;
  return { least: least - room, most: most + room };
}
