import type { Brand } from "./brand.ts";
import { MillraceError } from "./errors.ts";

export type OrganizationName = Brand<string, "OrganizationName">;
/** Also the SQL schema of the project's datasets. */
export type ProjectName = Brand<string, "ProjectName">;
/** The dataset's name inside its project. */
export type DatasetName = Brand<string, "DatasetName">;
export type UserName = Brand<string, "UserName">;

/** `project.dataset`, as SQL says it. */
export interface DatasetPath {
  readonly project: ProjectName;
  readonly dataset: DatasetName;
}

// Lower case only, because SQL folds case; no double underscore, because `x__quarantine` names what belongs to `x`.
const pattern = /^[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*$/;
const maxLength = 63;

function checkName(kind: string, text: string): string {
  if (text.length <= maxLength && pattern.test(text)) return text;
  throw new MillraceError("bad_name", `"${text.slice(0, 100)}" is not a name for a ${kind}.`, {
    hint: `Use 1 to ${maxLength} lower-case letters, digits, and single "_" or "-" between them, beginning with a letter.`,
  });
}

/** @throws bad_name */
export const organizationName = (text: string) => checkName("organization", text) as OrganizationName;
/** @throws bad_name */
export const projectName = (text: string) => checkName("project", text) as ProjectName;
/** @throws bad_name */
export const datasetName = (text: string) => checkName("dataset", text) as DatasetName;
/** @throws bad_name */
export const userName = (text: string) => checkName("user", text) as UserName;

/** Reads `project.dataset`. @throws bad_name */
export function datasetPath(text: string): DatasetPath {
  const [project, dataset, ...rest] = text.split(".");
  if (project === undefined || dataset === undefined || rest.length > 0) {
    throw new MillraceError("bad_name", `"${text.slice(0, 100)}" does not name a dataset.`, {
      hint: 'Say PROJECT.DATASET, as in "web.access".',
    });
  }
  return { project: projectName(project), dataset: datasetName(dataset) };
}

export function formatDatasetPath(path: DatasetPath): string {
  return `${path.project}.${path.dataset}`;
}

/** The candidate most like `word`, or null where none is near: for "did you mean". */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein's distance by the two-row table (Wagner and Fischer, 1974). */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[b.length] ?? 0;
}
