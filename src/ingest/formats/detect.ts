import { MillraceError } from "../../base/index.ts";
import { detectCsv } from "./csv-dialect.ts";
import { namedPatterns, textPattern } from "./patterns.ts";
import type { Encoding, FormatSpec } from "./spec.ts";

/** A format with nothing left to find out. A `json` body becomes `ndjson` on its way in (json-elements.ts). */
export type ResolvedFormat =
  | { readonly kind: "ndjson" }
  | { readonly kind: "csv"; readonly delimiter: string; readonly header: boolean }
  | { readonly kind: "parquet" }
  | { readonly kind: "arrow" }
  | { readonly kind: "text"; readonly pattern: string };

/** How many first bytes of the decoded body `detectFormat` and `resolveFormat` want to see. */
export const detectionBytes = 65_536;

const latin = (bytes: Uint8Array, length: number) => Buffer.from(bytes.subarray(0, length)).toString("latin1");

/** From the first bytes of a body as it came, or null where they are of no known compression. */
export function detectEncoding(first: Uint8Array): Encoding {
  if (first[0] === 0x1f && first[1] === 0x8b) return "gzip";
  if (first[0] === 0x28 && first[1] === 0xb5 && first[2] === 0x2f && first[3] === 0xfd) return "zstd";
  return "identity";
}

const endings: readonly (readonly [RegExp, FormatSpec])[] = [
  [/\.(ndjson|jsonl)$/, { kind: "ndjson" }],
  [/\.csv$/, { kind: "csv" }],
  [/\.tsv$/, { kind: "csv", delimiter: "\t" }],
  [/\.parquet$/, { kind: "parquet" }],
  [/\.(arrow|arrows|feather|ipc)$/, { kind: "arrow" }],
];

/**
 * The format of a body by its file name (may be empty) and the first bytes of its decoded content.
 * @throws unknown_format
 */
export function detectFormat(name: string, first: Uint8Array): FormatSpec {
  const magic = latin(first, 6);
  if (magic.startsWith("PAR1")) return { kind: "parquet" };
  // The file format's magic; a stream begins with a continuation marker and the length of a schema message.
  if (magic === "ARROW1" || (latin(first, 4) === "\xff\xff\xff\xff" && first.length > 8)) return { kind: "arrow" };
  const bare = name.toLowerCase().replace(/\.(gz|gzip|zst|zstd)$/, "");
  const text = Buffer.from(first)
    .toString("utf8")
    .replace(/^\ufeff/, "");
  const begin = text.trimStart();
  if (begin.startsWith("[") && (bare.endsWith(".json") || /^\[\s*[{\]]/.test(begin))) return { kind: "json" };
  if (begin.startsWith("{")) return isLinePerObject(begin) ? { kind: "ndjson" } : { kind: "json" };
  for (const [ending, format] of endings) if (ending.test(bare)) return format;
  const line = begin.slice(0, begin.search(/\r?\n|$/));
  for (const pattern of ["combined", "common", "syslog"]) {
    if (matches(pattern, line)) return { kind: "text", pattern };
  }
  if (/[,;\t|]/.test(line) && bare !== "" && !bare.endsWith(".log")) return { kind: "csv" };
  throw new MillraceError("unknown_format", "The format of the data was not recognised.", {
    hint: "Say it, as in --format csv, or --format 'text:^(?<time>\\S+) (?<message>.*)$' for lines of text.",
  });
}

/** The dialect of a CSV from its first bytes; the rest as it is. @throws bad_request */
export function resolveFormat(format: Exclude<FormatSpec, { kind: "json" }>, first: Uint8Array): ResolvedFormat {
  switch (format.kind) {
    case "ndjson":
    case "parquet":
    case "arrow":
      return { kind: format.kind };
    case "csv":
      return { kind: "csv", ...detectCsv(first, format) };
    case "text":
      checkPattern(format.pattern);
      return { kind: "text", pattern: format.pattern };
  }
}

/** @throws bad_request */
function checkPattern(text: string): void {
  const pattern = textPattern(text);
  if (pattern === null) {
    throw new MillraceError("bad_request", "The pattern has no named group, so it gives no column.", {
      hint: "Name groups, as in (?<status>\\d+), or use combined, common or syslog.",
    });
  }
  if (new Set(pattern.groups.map((name) => name.toLowerCase())).size < pattern.groups.length) {
    throw new MillraceError("bad_request", "Two groups of the pattern have one name.");
  }
}

function isLinePerObject(text: string): boolean {
  const end = text.indexOf("\n");
  const line = (end < 0 ? text : text.slice(0, end)).trim();
  if (line.endsWith("}")) return true;
  // A first line longer than what was looked at is one long object.
  return end < 0 && text.length > 1000;
}

function matches(pattern: string, line: string): boolean {
  const expression = namedPatterns[pattern]?.expression.replaceAll("(?P<", "(?<");
  return expression !== undefined && line.length < 8192 && new RegExp(expression).test(line);
}
