import { ask } from "./client.ts";

/** One JSON answer of `POST /api/v1/sql`. Numbers that JavaScript cannot hold come as texts. */
export interface SqlResult {
  readonly queryId: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly truncated: boolean;
  readonly elapsedMs: number;
}

/** A name as SQL takes it, whatever is in it. No name reaches a statement by another way. */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A dataset as SQL names it: now, or as it was at a block. */
export function tableName(project: string, dataset: string, seq?: number): string {
  const name = `${quoteName(project)}.${quoteName(dataset)}`;
  return seq === undefined ? name : `${name} AT (VERSION => ${Math.trunc(seq)})`;
}

/** Runs a statement to its end. An aborted request cancels it on the server, too. @throws ApiError */
export function runSql(
  sql: string,
  options: {
    readonly parameters?: readonly (string | number | boolean | null)[];
    readonly rowLimit?: number;
    readonly timeoutMs?: number;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<SqlResult> {
  const { signal, ...rest } = options;
  return ask<SqlResult>("/api/v1/sql", { method: "POST", body: { sql, format: "json", ...rest }, signal });
}
