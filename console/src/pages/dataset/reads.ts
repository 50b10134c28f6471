import { queryOptions } from "@tanstack/react-query";
import { runSql, tableName } from "../../api/sql.ts";

/** What the parts of a dataset's page ask by SQL, each as of a block or of now. Keys begin as the live stream names what is old. */

const key = (project: string, dataset: string, seq: number | undefined, ...what: readonly unknown[]) => [
  "dataset",
  project,
  dataset,
  "sql",
  seq ?? "now",
  ...what,
];

async function single(sql: string, signal: AbortSignal): Promise<number> {
  const { rows, columns } = await runSql(sql, { signal });
  return Number(rows[0]?.[columns[0]?.name ?? ""] ?? 0);
}

export const rowsAtQuery = (project: string, dataset: string, seq: number) =>
  queryOptions({
    queryKey: key(project, dataset, seq, "rows"),
    queryFn: ({ signal }) => single(`SELECT count(*) FROM ${tableName(project, dataset, seq)}`, signal),
    staleTime: Number.POSITIVE_INFINITY,
  });

/** The rows of a dataset that were not taken. */
export const quarantineTable = (project: string, dataset: string, seq: number | undefined): string =>
  tableName(project, `${dataset}__quarantine`, seq);

export const quarantinedQuery = (project: string, dataset: string, seq: number | undefined) =>
  queryOptions({
    queryKey: key(project, dataset, seq, "quarantined"),
    queryFn: ({ signal }) => single(`SELECT count(*) FROM ${quarantineTable(project, dataset, seq)}`, signal),
  });
