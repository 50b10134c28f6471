/**
 * One column of a result as it lies in memory: typed arrays, so that a million rows cost what their bytes weigh, and can be handed
 * to a worker by copying them. No value is ever rounded on its way to the screen.
 */
export interface Column {
  readonly name: string;
  /** The SQL type. */
  readonly type: string;
  readonly rows: number;
  /** A byte for each row, 0 where it is null; null itself where no row is. */
  readonly present: Uint8Array | null;
  readonly values: Values;
}

export type Numbers =
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Float32Array
  | Float64Array;

export type Values =
  | { readonly kind: "number"; readonly numbers: Numbers }
  | { readonly kind: "whole"; readonly numbers: BigInt64Array | BigUint64Array }
  /** Four words of 32 bits for each row, the lowest first, two's complement. */
  | { readonly kind: "decimal"; readonly words: Uint32Array; readonly scale: number }
  | { readonly kind: "boolean"; readonly flags: Uint8Array }
  | { readonly kind: "date"; readonly days: Int32Array }
  | {
      readonly kind: "timestamp";
      readonly ticks: BigInt64Array;
      readonly perSecond: number;
      readonly isZoned: boolean;
    }
  | { readonly kind: "time"; readonly micros: BigInt64Array }
  /** Row r holds the bytes from `offsets[r]` to `offsets[r + 1]`. */
  | { readonly kind: "text" | "binary"; readonly offsets: Int32Array; readonly bytes: Uint8Array };

export const isNull = ({ present }: Column, row: number): boolean => present !== null && present[row] === 0;

const decoder = new TextDecoder();

/** The value of a row that is not null, exactly. */
export function textOf({ values }: Column, row: number): string {
  switch (values.kind) {
    case "number": {
      const value = values.numbers[row] ?? 0;
      return values.numbers instanceof Float32Array ? shortestFloat(value) : floatText(value);
    }
    case "whole":
      return String(values.numbers[row] ?? 0n);
    case "decimal":
      return decimalText(wholeOf(values.words, row), values.scale);
    case "boolean":
      return values.flags[row] === 1 ? "true" : "false";
    case "date":
      return dateText(values.days[row] ?? 0);
    case "timestamp":
      return timestampText(values.ticks[row] ?? 0n, values.perSecond, values.isZoned);
    case "time":
      return clockText(values.micros[row] ?? 0n, 6);
    case "text":
      return decoder.decode(bytesOf(values, row));
    case "binary":
      return Array.from(bytesOf(values, row), (byte) => `\\x${byte.toString(16).padStart(2, "0").toUpperCase()}`).join(
        "",
      );
  }
}

/** The value as a number to draw or to sort by roughly; a moment as milliseconds. NaN where it is none. */
export function numberOf({ values }: Column, row: number): number {
  switch (values.kind) {
    case "number":
      return values.numbers[row] ?? Number.NaN;
    case "whole":
      return Number(values.numbers[row] ?? 0n);
    case "decimal":
      return Number(wholeOf(values.words, row)) / 10 ** values.scale;
    case "boolean":
      return values.flags[row] ?? 0;
    case "date":
      return (values.days[row] ?? 0) * 86_400_000;
    case "timestamp":
      return (Number(values.ticks[row] ?? 0n) / values.perSecond) * 1_000;
    case "time":
      return Number(values.micros[row] ?? 0n) / 1_000;
    case "text":
    case "binary":
      return Number.NaN;
  }
}

export function bytesOf(
  { offsets, bytes }: { readonly offsets: Int32Array; readonly bytes: Uint8Array },
  row: number,
): Uint8Array {
  return bytes.subarray(offsets[row] ?? 0, offsets[row + 1] ?? 0);
}

/** The whole number of four words. */
export function wholeOf(words: Uint32Array, row: number): bigint {
  const at = row * 4;
  const low = (BigInt(words[at + 1] ?? 0) << 32n) | BigInt(words[at] ?? 0);
  const high = (BigInt(words[at + 3] ?? 0) << 32n) | BigInt(words[at + 2] ?? 0);
  return (BigInt.asIntN(64, high) << 64n) | low;
}

export function decimalText(unscaled: bigint, scale: number): string {
  if (scale === 0) return String(unscaled);
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, "0");
  return `${unscaled < 0n ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

function floatText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "inf";
  if (value === Number.NEGATIVE_INFINITY) return "-inf";
  return Number.isNaN(value) ? "nan" : Object.is(value, -0) ? "-0" : String(value);
}

/** The shortest text that is this value in 32 bits: 0.1, not 0.10000000149011612. */
function shortestFloat(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return floatText(value);
  for (let digits = 6; digits < 10; digits++) {
    const told = Number(value.toPrecision(digits));
    if (Math.fround(told) === value) return String(told);
  }
  return String(value);
}

const farthestDay = 2_147_483_647;

function dateText(days: number): string {
  if (days === farthestDay) return "infinity";
  if (days === -farthestDay) return "-infinity";
  return dayText(days) ?? `${days} days after 1970-01-01`;
}

/** Null beyond what the calendar of the browser reaches. */
function dayText(days: number): string | null {
  const date = new Date(days * 86_400_000);
  if (Number.isNaN(date.getTime())) return null;
  const year = date.getUTCFullYear();
  const told = year > 0 ? String(year).padStart(4, "0") : String(1 - year).padStart(4, "0");
  return `${told}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}${year > 0 ? "" : " (BC)"}`;
}

const farthestTick = 9_223_372_036_854_775_807n;

function timestampText(ticks: bigint, perSecond: number, isZoned: boolean): string {
  if (ticks === farthestTick) return "infinity";
  if (ticks === -farthestTick) return "-infinity";
  const ticksADay = BigInt(perSecond) * 86_400n;
  const within = ((ticks % ticksADay) + ticksADay) % ticksADay;
  const day = dayText(Number((ticks - within) / ticksADay));
  const places = String(perSecond).length - 1;
  if (day === null) return `${ticks} / ${perSecond} s after 1970-01-01`;
  return `${day} ${clockText(within, places)}${isZoned ? "+00" : ""}`;
}

/** Time of day, its fraction without ending zeros. */
function clockText(ticks: bigint, places: number): string {
  const perSecond = 10n ** BigInt(places);
  const seconds = Number(ticks / perSecond);
  const fraction =
    places === 0
      ? ""
      : String(ticks % perSecond)
          .padStart(places, "0")
          .replace(/0+$/, "");
  const clock = `${two(Math.floor(seconds / 3_600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return fraction === "" ? clock : `${clock}.${fraction}`;
}

const two = (value: number): string => String(value).padStart(2, "0");

/** Whether its cells stand at the right. */
export const isNumeric = ({ values: { kind } }: Column): boolean =>
  kind === "number" || kind === "whole" || kind === "decimal";

export const isMoment = ({ values: { kind } }: Column): boolean => kind === "date" || kind === "timestamp";

/** Whether its text is best read as a tree: lists, structs, maps and JSON. */
export const isNested = ({ type }: Column): boolean => /^(STRUCT|MAP|UNION|JSON|VARIANT)|\[\d*\]$/.test(type);
