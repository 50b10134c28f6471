import { zstdCompressSync } from "node:zlib";
import type { Dice } from "../dice.ts";
import { mutateBytes } from "../mutate.ts";

const hash = `f1620${"ab".repeat(32)}`;
const file = {
  kind: "copy",
  hash,
  name: `layout/data/1-000000000000-${hash}`,
  firstOffset: 0,
  lastOffset: 61,
  firstSeq: 2,
  lastSeq: 63,
  sizeBytes: 100,
  systemTime: 0,
  statistics: null,
  schemaVersion: 1,
};
const region = {
  formatVersion: 1,
  level: 1,
  index: 0,
  firstSeq: 0,
  lastSeq: 63,
  head: hash,
  systemTime: 0,
  firstOffset: 0,
  nextOffset: 62,
  files: [file],
};
const names = [...Object.keys(region), ...Object.keys(file)];
const odd = [null, -1, 1e308, 2 ** 53, 0.5, "", "x".repeat(1_000), "../../log", [], {}, true];

/** The manifest of a region as an origin offers it, or something like one. */
export function anyRegion(dice: Dice): Uint8Array {
  if (dice.chance(0.05)) return dice.bytes(dice.few(500));
  const told: Record<string, unknown> = { ...region };
  const first: Record<string, unknown> = { ...file };
  for (let changes = dice.few(3); changes > 0; changes--) {
    const name = dice.pick(names);
    (name in region ? told : first)[name] = dice.pick(odd);
  }
  if (told.files === region.files) told.files = Array.from({ length: dice.few(3) }, () => first);
  const bytes = zstdCompressSync(JSON.stringify(told));
  return dice.chance(0.3) ? mutateBytes(dice, bytes, [bytes]) : bytes;
}
