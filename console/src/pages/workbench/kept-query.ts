import { quoteName, runSql, type SqlResult } from "../../api/sql.ts";
import { splitStatements } from "./statements.ts";

/** What a query is to become. */
export interface KeptQuery {
  readonly sql: string;
  readonly project: string;
  readonly dataset: string;
  /** Columns of which the result has one row each. */
  readonly key: readonly string[];
  /** Also a lookup of its name, by the key. */
  readonly isLookup: boolean;
}

/** Names as the server takes them. */
export const namePattern = /^[a-z][a-z0-9_]*$/;

const comments = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/;

/** The one SELECT of a text; null where there are others, or none. */
export function selectOf(text: string): string | null {
  const [only, ...more] = splitStatements(text);
  if (only === undefined || more.length > 0) return null;
  return /^(\(|select\b|with\b|from\b)/i.test(only.sql.replace(comments, "")) ? only.sql : null;
}

/** Column names of a list as people write one: `a, "b c"`. */
export function columnsOf(text: string): string[] {
  const found = [...text.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)];
  return found.map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? "").filter((name) => name !== "");
}

/** One statement makes all of it, or nothing. */
export function createSql({ sql, project, dataset, key, isLookup }: KeptQuery): string {
  const keyed = key.length === 0 ? "" : ` KEY (${key.map(quoteName).join(", ")})`;
  return `CREATE ${isLookup ? "LOOKUP" : "DATASET"} ${quoteName(project)}.${quoteName(dataset)}${keyed} AS\n${sql}`;
}

const explain = "EXPLAIN TRANSFORM ";

/** Where in a SELECT an error of its explanation lies. */
export const placeInSelect = (offset: number): number => offset - explain.length;

/** How a SELECT would be kept right, by the server's words. @throws ApiError where it cannot be, with its place */
export async function explained(sql: string, signal: AbortSignal): Promise<readonly (readonly [string, string])[]> {
  const { rows } = await runSql(explain + sql, { signal });
  return rows.map(({ about, value }) => [String(about), String(value)]);
}

const previewRows = 20;
const emitClause = /\sEMIT\s+(CHANGES|ON\s+CLOSE)\b(\s+(ALLOWED\s+)?LATENESS\s+'[^']*')*\s*$/i;

/** The first rows of the result as it is now. When a transform's result is told is no part of a query. */
export const preview = (sql: string, signal: AbortSignal): Promise<SqlResult> =>
  runSql(sql.replace(emitClause, ""), {
    rowLimit: previewRows,
    signal,
  });

/** @throws ApiError */
export const keepQuery = (kept: KeptQuery): Promise<SqlResult> => runSql(createSql(kept));
