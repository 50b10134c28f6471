import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { z } from "zod";
import { type Instant, instant, MillraceError } from "../../base/index.ts";
import { type Multihash, multihash } from "../../slices/index.ts";
import { brokenObject } from "../chain/stored-block.ts";
import type { LayoutKeys } from "./layout-keys.ts";
import type { LiveSlice } from "./live-slices.ts";
import type { Region } from "./region.ts";

/** Which files hold a region's rows. It is published once, after each original was proven from these files. */
export interface RegionManifest extends Region {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** The block of `lastSeq`, and when it was committed. */
  readonly head: Multihash;
  readonly systemTime: Instant;
  /** Of the region's rows: from this one on, and below that one. */
  readonly firstOffset: number;
  readonly nextOffset: number;
  /** In order and without a gap up to `nextOffset`; the first one begins behind `firstOffset` where rows had expired. */
  readonly files: readonly LiveSlice[];
}

const formatVersion = 1;
const mostBytes = 64 << 20;
const count = z.int().min(0);
const hash = z.string().transform(multihash);
const at = z.number().transform(instant);
const versionShape = z.object({ formatVersion: z.int() });
const shape = z.object({
  level: z.int().min(1),
  index: count,
  firstSeq: count,
  lastSeq: count,
  head: hash,
  systemTime: at,
  firstOffset: count,
  nextOffset: count,
  files: z.array(
    z.object({
      kind: z.enum(["data", "copy"]),
      hash,
      /** Below the dataset's folder. */
      name: z.string().regex(/^(data\/|layout\/data\/\d+-\d{12}-)f[0-9a-f]+$/),
      firstOffset: count,
      lastOffset: count,
      firstSeq: count,
      lastSeq: count,
      sizeBytes: count,
      systemTime: at,
      statistics: z
        .array(
          z.object({
            column: z.string(),
            type: z.string(),
            nullCount: z.number().nullable(),
            min: z.string().nullable(),
            max: z.string().nullable(),
          }),
        )
        .nullable(),
      schemaVersion: count,
    }),
  ),
});

export function encodeManifest(keys: LayoutKeys, manifest: RegionManifest): Uint8Array {
  const files = manifest.files.map(({ key, ...file }) => ({ ...file, name: key.slice(keys.root.length) }));
  return zstdCompressSync(JSON.stringify({ formatVersion, ...manifest, files }));
}

/** @throws chain_broken on bytes that are no manifest of the region; unsupported_version */
export function decodeManifest(keys: LayoutKeys, { level, index }: Region, bytes: Uint8Array): RegionManifest {
  const object = keys.region({ level, index });
  const manifest = readManifest(keys, object, bytes);
  if (manifest.level === level && manifest.index === index) return manifest;
  throw brokenObject(object, "it is no manifest of its region");
}

/** Of whatever region it says. @throws chain_broken on bytes that are no manifest; unsupported_version */
export function readManifest(keys: LayoutKeys, object: string, bytes: Uint8Array): RegionManifest {
  const json = parse(bytes);
  const version = versionShape.safeParse(json);
  if (!version.success) throw brokenObject(object, "it is no manifest of a region");
  if (version.data.formatVersion !== formatVersion)
    throw new MillraceError(
      "unsupported_version",
      `The object ${object} has the format version ${version.data.formatVersion}, and this server knows ${formatVersion}.`,
      { hint: "Run the server's newest version." },
    );
  const parsed = shape.safeParse(json);
  if (!parsed.success) throw brokenObject(object, "it is no manifest of a region");
  const files = parsed.data.files.map(({ name, ...file }): LiveSlice => ({ ...file, key: keys.root + name }));
  const manifest = { ...parsed.data, files };
  if (!isGapFree(manifest)) throw brokenObject(object, "its files do not follow each other");
  return manifest;
}

function isGapFree({ files, firstOffset, nextOffset }: RegionManifest): boolean {
  const [first] = files;
  if (first === undefined) return true; // no rows, or all had expired
  let next = first.firstOffset;
  for (const file of files) {
    if (file.firstOffset !== next || file.lastOffset < next || !file.key.endsWith(file.hash)) return false;
    next = file.lastOffset + 1;
  }
  return first.firstOffset >= firstOffset && next === nextOffset;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(zstdDecompressSync(bytes, { maxOutputLength: mostBytes })));
  } catch {
    return null;
  }
}
