import { LineCounter, parseAllDocuments } from "yaml";
import { z } from "zod";
import { MillraceError, nearest } from "../base/index.ts";
import type { ManifestInput } from "./resource.ts";

const manifest = z.strictObject({
  kind: z.string().min(1).max(100),
  project: z.string().max(63).optional(),
  name: z.string().min(1).max(255),
  labels: z.record(z.string().min(1).max(100), z.string().max(200)).optional(),
  spec: z.unknown().default({}),
});
const members = ["kind", "project", "name", "labels", "spec"];
const mostDocuments = 1_000;

/** Reads manifests: YAML of one or many documents, or JSON (an object or a list). @throws bad_manifest with position */
export function parseManifests(text: string): ManifestInput[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, maxAliasCount: 100 } as { lineCounter: LineCounter });
  const found: ManifestInput[] = [];
  for (const document of Array.isArray(documents) ? documents : []) {
    const [problem] = document.errors;
    const at = (offset: number) => {
      const { line, col } = lines.linePos(offset);
      return { offset, line, column: col };
    };
    if (problem !== undefined) {
      throw new MillraceError("bad_manifest", `The manifest is no YAML: ${problem.message.split("\n")[0]}`, {
        position: at(problem.pos[0]),
      });
    }
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    if (value === null || value === undefined) continue;
    for (const item of Array.isArray(value) ? value : [value]) found.push(readOne(item, at(document.range[0])));
    if (found.length > mostDocuments)
      throw new MillraceError("bad_manifest", `A text may hold ${mostDocuments} manifests at most.`);
  }
  if (found.length === 0) throw new MillraceError("bad_manifest", "There is no manifest in the text.");
  return found;
}

function readOne(value: unknown, position: { offset: number; line: number; column: number }): ManifestInput {
  const parsed = manifest.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new MillraceError("bad_manifest", `The manifest is wrong: ${explain(parsed.error, members)}`, { position });
}

/** The first issue as a sentence, with the nearest valid name for an unknown member. */
export function explain(error: z.ZodError, known: readonly string[]): string {
  const [issue] = error.issues;
  if (issue === undefined) return "it does not fit.";
  const where = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const near = nearest(key, known);
    return `${where}there is no member "${key}"${near === null ? "" : `; did you mean "${near}"?`}`;
  }
  return `${where}${issue.message.replace(/^Invalid input: /, "")}.`;
}
