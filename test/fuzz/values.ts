import type { Dice } from "./dice.ts";

const names = [
  "id",
  "n",
  "name",
  "Name",
  "at",
  "price",
  "ok",
  "tags",
  "geo",
  "a.b",
  "",
  "offset",
  "op",
  "event_time",
  "__proto__",
  "ключ",
  "\u0000",
  "x".repeat(300),
];
const texts = [
  "",
  "a",
  "Zürich",
  "2024-01-31",
  "2024-01-31T10:00:00Z",
  "24:00:00",
  "-1",
  "1e3",
  "true",
  "null",
  "{}",
  "[1]",
  "0x10",
  "1_000",
  "NaN",
  "\u0000",
  "\ud800",
  "\u{10ffff}",
  "'; DROP TABLE t; --",
  "a\tb",
  "a\nb",
  "../../etc/passwd",
  "%00",
  "$name",
  "y".repeat(5_000),
];
const numbers = [
  "0",
  "-0",
  "1",
  "-1",
  "1.5",
  "1e-7",
  "1E400",
  "-1e400",
  "9007199254740993",
  "9223372036854775807",
  "9223372036854775808",
  "18446744073709551616",
  "170141183460469231731687303715884105728",
  "0.1234567890123456789",
  "1e308",
  "5e-324",
  "123456789.123456789e-5",
];

/** A value as JSON text, so that it can also be what no JavaScript value is: a number beyond all, a key twice. */
export function jsonText(dice: Dice, depth = 3): string {
  switch (dice.below(depth <= 0 ? 5 : 8)) {
    case 0:
      return dice.pick(["null", "true", "false"]);
    case 1:
    case 2:
      return dice.pick(numbers);
    case 3:
    case 4:
      return JSON.stringify(dice.pick(texts));
    case 5:
      return `[${dice.list(5, () => jsonText(dice, depth - 1)).join(",")}]`;
    default:
      return objectText(dice, depth - 1);
  }
}

export function objectText(dice: Dice, depth = 2): string {
  const members = dice.list(6, () => `${JSON.stringify(dice.pick(names))}:${jsonText(dice, depth)}`);
  return `{${members.join(dice.chance(0.1) ? " , " : ",")}}`;
}

/** Deep nesting, which recursive parsers and writers fall into. */
export function deepText(dice: Dice): string {
  const depth = dice.pick([10, 10, 100, 100, 100, 100, 1_000, 1_000, 10_000, 50_000]);
  const [open, close] = dice.pick([
    ["[", "]"],
    ['{"a":', "}"],
    ['[{"a":', "}]"],
  ] as const);
  return (
    open.repeat(depth) + (dice.chance(0.5) ? "1" : "") + close.repeat(dice.chance(0.8) ? depth : dice.below(depth))
  );
}

export const anyText = (dice: Dice): string => dice.pick(texts);
export const anyName = (dice: Dice): string => dice.pick(names);
