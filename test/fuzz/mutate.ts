import type { Dice } from "./dice.ts";

/** Bytes that parsers trip over: bounds of lengths and offsets, ends, quotes, escapes, marks of other encodings. */
const telling: readonly Uint8Array[] = [
  [0],
  [0xff],
  [0x7f],
  [0x80],
  [0xff, 0xff, 0xff, 0xff],
  [0, 0, 0, 0],
  [0xff, 0xff, 0xff, 0x7f],
  [0, 0, 0, 0x80],
  [0xef, 0xbb, 0xbf],
  [0xff, 0xfe],
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0x0a],
  [0x0d],
  [0x0d, 0x0a],
  [0x22],
  [0x5c],
  [0x2c],
  [0x7b],
  [0x7d],
  [0x5b],
  [0x5d],
  [0x1a],
  [0x1b],
  [0x28, 0xb5, 0x2f, 0xfd],
  [0x1f, 0x8b, 0x08],
].map((bytes) => Uint8Array.from(bytes));

const telltaleTexts = [
  "1e999",
  "-0",
  "9223372036854775808",
  "-9223372036854775809",
  "0.1e-400",
  "NaN",
  "Infinity",
  "null",
  "true",
  "\\u0000",
  "\\ud800",
  "__proto__",
  "constructor",
  "0000-00-00",
  "+275760-09-13",
  "2024-02-30T25:61:61Z",
  "1".repeat(400),
  "{}",
  "[[]]",
  "%s%n",
  "$1",
  "'",
  '""',
  "/*",
  "--",
  ";",
  "\u202e",
  "\u0130",
  "\u{1f468}\u200d\u{1f469}",
].map((text) => Buffer.from(text));

/** A body a few mutations away from another one; `others` lend it pieces. */
export function mutateBytes(dice: Dice, bytes: Uint8Array, others: readonly Uint8Array[] = []): Uint8Array {
  let mutated: Uint8Array = Buffer.from(bytes);
  for (let left = dice.between(1, 5); left > 0; left--) mutated = mutateOnce(dice, mutated, others);
  return mutated;
}

function mutateOnce(dice: Dice, bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  const at = dice.below(bytes.length + 1);
  const length = Math.min(bytes.length - at, dice.few(64));
  switch (dice.below(10)) {
    case 0:
      return flipped(dice, bytes);
    case 1:
      return spliced(bytes, at, length, new Uint8Array());
    case 2:
      return spliced(bytes, at, 0, dice.bytes(dice.between(1, 16)));
    case 3:
      return spliced(bytes, at, dice.chance(0.5) ? length : 0, dice.pick(telling));
    case 4:
      return spliced(bytes, at, dice.chance(0.5) ? length : 0, dice.pick(telltaleTexts));
    case 5:
      return bytes.subarray(0, at);
    case 6: // a piece many times over
      return spliced(bytes, at, 0, repeated(bytes.subarray(at, at + length), dice.few(200)));
    case 7:
      return overwritten(dice, bytes, at);
    case 8: {
      const other = others.length === 0 ? bytes : dice.pick(others);
      const from = dice.below(other.length + 1);
      return spliced(bytes, at, length, other.subarray(from, from + dice.few(256)));
    }
    default:
      return swapped(dice, bytes);
  }
}

function spliced(bytes: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at + removed)]);
}

function flipped(dice: Dice, bytes: Uint8Array): Uint8Array {
  const copy = Buffer.from(bytes);
  for (let left = dice.between(1, 4); left > 0 && copy.length > 0; left--) {
    const at = dice.below(copy.length);
    copy[at] = (copy[at] ?? 0) ^ (1 << dice.below(8));
  }
  return copy;
}

/** A number of the format (a length, an offset, a count) becomes another one. */
function overwritten(dice: Dice, bytes: Uint8Array, at: number): Uint8Array {
  const copy = Buffer.from(bytes);
  const width = dice.pick([1, 2, 4, 8]);
  const value = dice.pick([0n, 1n, 0xffn, 0x7fffn, 0xffffn, 0x7fff_ffffn, 0xffff_ffffn, 0x7fff_ffff_ffff_ffffn]);
  for (let byte = 0; byte < width && at + byte < copy.length; byte++) {
    copy[at + byte] = Number((value >> BigInt(8 * byte)) & 0xffn);
  }
  return copy;
}

function swapped(dice: Dice, bytes: Uint8Array): Uint8Array {
  if (bytes.length < 3) return bytes;
  const [a = 0, b = 0, c = 0] = [0, 0, 0].map(() => dice.below(bytes.length)).sort((x, y) => x - y);
  return Buffer.concat([bytes.subarray(0, a), bytes.subarray(b, c), bytes.subarray(a, b), bytes.subarray(c)]);
}

function repeated(piece: Uint8Array, times: number): Uint8Array {
  return Buffer.concat(Array.from({ length: times }, () => piece));
}

/** A text whose words have changed places, came again, or became others. */
export function mutateWords(dice: Dice, text: string, words: readonly string[]): string {
  const parts = text.match(/\s+|\w+|[^\s\w]/g) ?? [];
  for (let left = dice.between(1, 4); left > 0; left--) {
    const at = dice.below(parts.length + 1);
    switch (dice.below(5)) {
      case 0:
        parts.splice(at, dice.between(1, 3));
        break;
      case 1:
        parts.splice(at, 0, ` ${dice.pick(words)} `);
        break;
      case 2:
        parts.splice(at, 1, dice.pick(words));
        break;
      case 3:
        parts.splice(at, 0, ...parts.slice(dice.below(parts.length + 1)).slice(0, dice.between(1, 8)));
        break;
      default:
        parts.splice(at, 0, ...Array.from({ length: dice.few(60) }, () => parts[at] ?? "("));
    }
  }
  return parts.join("");
}
