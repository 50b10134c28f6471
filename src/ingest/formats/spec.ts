import { z } from "zod";
import { MillraceError, nearest } from "../../base/index.ts";
import { namedPatterns } from "./patterns.ts";

/**
 * How a body is written. What is left out is found out from the body's first bytes (`resolveFormat`).
 * - `ndjson`: one JSON object a line. `json`: one array of objects, or objects one after another.
 * - `csv`: RFC 4180 with quoted line breaks; `header: false` names the columns column1, column2, ...
 * - `text`: one record a line; `pattern` is `combined`, `common`, `syslog`, or a regular expression (RE2 syntax) whose
 *   named groups are the columns.
 */
export const formatSpec = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("ndjson") }),
  z.strictObject({ kind: z.literal("json") }),
  z.strictObject({
    kind: z.literal("csv"),
    delimiter: z.string().length(1).optional(),
    header: z.boolean().optional(),
  }),
  z.strictObject({ kind: z.literal("parquet") }),
  z.strictObject({ kind: z.literal("arrow") }),
  z.strictObject({ kind: z.literal("text"), pattern: z.string().min(1).max(4096) }),
]);
export type FormatSpec = z.infer<typeof formatSpec>;

export type Encoding = "identity" | "gzip" | "zstd";

const simpleKinds = ["ndjson", "json", "csv", "parquet", "arrow"] as const;
const otherNames: Readonly<Record<string, FormatSpec>> = {
  jsonl: { kind: "ndjson" },
  tsv: { kind: "csv", delimiter: "\t" },
  feather: { kind: "arrow" },
};

/**
 * A format by the name that people give: `ndjson`, `json`, `csv`, `tsv`, `parquet`, `arrow`, `combined`, `common`,
 * `syslog`, `text:REGULAR EXPRESSION`, or a CSV with its dialect said: `csv;delimiter=|;header=false`.
 * @throws unknown_format
 */
export function parseFormat(name: string): FormatSpec {
  if (name.includes("\0")) throw new MillraceError("unknown_format", "The format holds the character U+0000.");
  for (const kind of simpleKinds) if (name === kind) return { kind };
  const other = otherNames[name];
  if (other !== undefined) return other;
  if (name.startsWith("csv;")) return parseCsv(name);
  if (name in namedPatterns) return { kind: "text", pattern: name };
  if (name.startsWith("text:") && name.length > 5) return { kind: "text", pattern: name.slice(5) };
  const known = [...simpleKinds, ...Object.keys(otherNames), ...Object.keys(namedPatterns), "text:PATTERN"];
  const near = nearest(name, known);
  throw new MillraceError("unknown_format", `There is no format "${name.slice(0, 100)}".`, {
    hint: near === null ? `Known formats: ${known.join(", ")}.` : `Did you mean "${near}"?`,
  });
}

/** The name that `parseFormat` reads as this format. */
export function formatName(format: FormatSpec): string {
  switch (format.kind) {
    case "csv": {
      const delimiter = format.delimiter === undefined ? "" : `;delimiter=${format.delimiter}`;
      return `csv${delimiter}${format.header === undefined ? "" : `;header=${format.header}`}`;
    }
    case "text":
      return format.pattern in namedPatterns ? format.pattern : `text:${format.pattern}`;
    default:
      return format.kind;
  }
}

function parseCsv(name: string): FormatSpec {
  const delimiter = /;delimiter=(.)(?:;|$)/su.exec(name)?.[1];
  const header = /;header=(true|false)(?:;|$)/.exec(name)?.[1];
  const known = `csv${delimiter === undefined ? "" : `;delimiter=${delimiter}`}${header === undefined ? "" : `;header=${header}`}`;
  if (known !== name) {
    throw new MillraceError("unknown_format", `"${name.slice(0, 100)}" says no dialect of CSV.`, {
      hint: "As in csv;delimiter=|;header=true.",
    });
  }
  return {
    kind: "csv",
    ...(delimiter === undefined ? {} : { delimiter }),
    ...(header === undefined ? {} : { header: header === "true" }),
  };
}

/** Free bytes that a body's file begins with: room for the first line of the fast path, where there is one. */
export function headBytesOf(format: { readonly kind: FormatSpec["kind"] }): number {
  return format.kind === "ndjson" || format.kind === "json" ? 65_536 : 0;
}
