import { type Document, isCollection, isMap, isNode, isScalar, LineCounter, parseAllDocuments } from "yaml";
import { z } from "zod";
import { MillraceError, type TextPosition } from "../base/index.ts";
import { explain } from "./explain.ts";
import type { ManifestInput } from "./resource.ts";

/** Where the value at a path (or, `onKey`, the name of that member) stands; the nearest place around it otherwise. */
export type Locate = (path: readonly PropertyKey[], onKey?: boolean) => TextPosition;

export const labelsSchema = z
  .record(z.string().min(1).max(100), z.string().max(200))
  .refine((labels) => Object.keys(labels).length <= 64, { message: "64 labels are the most" });

const manifest = z.strictObject({
  kind: z.string().min(1).max(100),
  project: z.string().min(1).max(63).optional(),
  name: z.string().min(1).max(255),
  labels: labelsSchema.optional(),
  spec: z.unknown().default({}),
});

const mostManifests = 1_000;
/** A text that says little and means much is refused: an anchor may be used this often. */
const mostAliases = 100;

/**
 * Reads manifests: YAML 1.2 of one or many documents, or JSON; a document is one manifest or a list of them.
 * @throws bad_manifest with the position in the text
 */
export function parseManifests(text: string): ManifestInput[] {
  const lines = new LineCounter();
  const found: ManifestInput[] = [];
  for (const document of documentsOf(text, lines)) {
    const at = (offset: number): TextPosition => {
      const { line, col } = lines.linePos(offset);
      return { offset, line, column: col };
    };
    const [problem] = document.errors;
    if (problem !== undefined) {
      if (problem.code === "RESOURCE_EXHAUSTION") throw tooDeep(problem);
      throw new MillraceError("bad_manifest", `The manifest cannot be read: ${firstLine(problem.message)}`, {
        position: at(problem.pos[0]),
      });
    }
    const start = document.contents?.range?.[0] ?? document.range?.[0] ?? 0;
    const value = plain(document, at(start));
    if (value === null || value === undefined) continue;
    const items: unknown[] = Array.isArray(value) ? value : [value];
    items.forEach((item, index) => {
      const base = Array.isArray(value) ? [index] : [];
      found.push(readOne(item, (path, onKey) => at(offsetOf(document, [...base, ...path], onKey ?? false) ?? start)));
    });
    if (found.length > mostManifests) {
      throw new MillraceError("bad_manifest", `A text may hold ${mostManifests} manifests at most.`);
    }
  }
  if (found.length === 0) throw new MillraceError("bad_manifest", "There is no manifest in the text.");
  return found;
}

function documentsOf(text: string, lineCounter: LineCounter): readonly Document.Parsed[] {
  try {
    const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false, logLevel: "silent" });
    return Array.isArray(documents) ? documents : [];
  } catch (cause) {
    if (cause instanceof RangeError) throw tooDeep(cause);
    throw cause;
  }
}

function plain(document: Document.Parsed, position: TextPosition): unknown {
  try {
    return document.toJS({ maxAliasCount: mostAliases });
  } catch (cause) {
    if (cause instanceof RangeError) throw tooDeep(cause);
    throw new MillraceError("bad_manifest", "The manifest's anchors and aliases cannot be followed.", {
      position,
      cause,
    });
  }
}

function tooDeep(cause: unknown): MillraceError {
  return new MillraceError("bad_manifest", "The manifest is nested too deeply.", { cause });
}

function readOne(value: unknown, locate: Locate): ManifestInput {
  const parsed = manifest.safeParse(value, { reportInput: true });
  if (parsed.success) {
    if (holdsZero(parsed.data)) throw new MillraceError("bad_manifest", "The manifest holds the character U+0000.");
    return { ...parsed.data, locate };
  }
  const { text, path, onKey, hint } = explain(parsed.error, manifest);
  throw new MillraceError("bad_manifest", `The manifest is wrong: ${text}`, {
    position: locate(path, onKey),
    ...(hint === null ? {} : { hint }),
  });
}

/** PostgreSQL keeps every character but this one. */
function holdsZero(value: unknown): boolean {
  if (typeof value === "string") return value.includes("\0");
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, inner]) => key.includes("\0") || holdsZero(inner));
}

/** The offset of the node at a path, or of the innermost node around it. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], onKey: boolean): number | undefined {
  let node: unknown = document.contents;
  let offset = isNode(node) ? node.range?.[0] : undefined;
  for (const [index, part] of path.entries()) {
    const key = isMap(node)
      ? node.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === part)?.key
      : null;
    if (onKey && index === path.length - 1) return isNode(key) ? key.range?.[0] : offset;
    node = isCollection(node) ? node.get(part, true) : undefined;
    if (!isNode(node)) return isNode(key) ? key.range?.[0] : offset;
    offset = node.range?.[0] ?? offset;
  }
  return offset;
}

function firstLine(text: string): string {
  return text.split("\n")[0]?.replace(/ at line \d+.*$/, "") ?? "";
}
