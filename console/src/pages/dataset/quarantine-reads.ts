import { queryOptions } from "@tanstack/react-query";
import { ask, path } from "../../api/client.ts";
import { runSql } from "../../api/sql.ts";
import type { QuarantineReason } from "../../api/types.ts";
import { key, quarantineTable } from "./reads.ts";

export interface Reason {
  readonly reason: string;
  readonly column: string | null;
  readonly rows: number;
  /** Of these, those that were sent again; null where the past is shown. */
  readonly retried: number | null;
  readonly firstLine: number | null;
  readonly newestAt: string | null;
}

const shownReasons = 200;
const shownRows = 200;

/** Why rows were not taken, what is most frequent first. */
export const reasonsQuery = (project: string, dataset: string, seq: number | undefined) =>
  queryOptions({
    queryKey: key(project, dataset, seq, "reasons"),
    queryFn: ({ signal }) =>
      seq === undefined ? reasonsNow(project, dataset, signal) : reasonsAt(project, dataset, seq, signal),
  });

async function reasonsNow(project: string, dataset: string, signal: AbortSignal): Promise<Reason[]> {
  const { reasons } = await ask<{ reasons: readonly QuarantineReason[] }>(
    path`/api/v1/projects/${project}/datasets/${dataset}/quarantine`,
    { query: { limit: shownReasons }, signal },
  );
  return reasons.map(({ lastReceivedAt, ...rest }) => ({ ...rest, newestAt: lastReceivedAt }));
}

/** By SQL, which can be asked for the past. */
async function reasonsAt(project: string, dataset: string, seq: number, signal: AbortSignal): Promise<Reason[]> {
  const sql = `SELECT reason, column_name, count(*) AS n, min(line) AS first_line, max(received_at) AS newest
FROM ${quarantineTable(project, dataset, seq)} GROUP BY reason, column_name ORDER BY n DESC, reason LIMIT ${shownReasons}`;
  const { rows } = await runSql(sql, { signal });
  return rows.map((row) => ({
    reason: String(row.reason),
    column: typeof row.column_name === "string" ? row.column_name : null,
    rows: Number(row.n),
    retried: null,
    firstLine: row.first_line === null ? null : Number(row.first_line),
    newestAt: typeof row.newest === "string" ? row.newest : null,
  }));
}

/** The newest quarantined rows, of one reason or of all. */
export const quarantinedRowsQuery = (
  project: string,
  dataset: string,
  seq: number | undefined,
  of: { readonly reason: string; readonly column: string | null } | null,
) =>
  queryOptions({
    queryKey: key(project, dataset, seq, "quarantined rows", of),
    queryFn({ signal }) {
      const where = of === null ? "" : "WHERE reason = ? AND column_name IS NOT DISTINCT FROM ?";
      const sql = `SELECT line, raw, reason, column_name, source, received_at, ingest_id
FROM ${quarantineTable(project, dataset, seq)} ${where} ORDER BY received_at DESC, line LIMIT ${shownRows}`;
      return runSql(sql, { signal, parameters: of === null ? [] : [of.reason, of.column], rowLimit: shownRows });
    },
  });
