import { queryOptions } from "@tanstack/react-query";
import { runSql, tableName } from "../../api/sql.ts";
import { lookOf, statisticsFrom, statisticsSql } from "./statistics.ts";

/** What the parts of a dataset's page ask by SQL, each as of a block or of now. Keys begin as the live stream names what is old. */

/** The key of what is asked of a dataset by SQL. */
export const key = (project: string, dataset: string, seq: number | undefined, ...what: readonly unknown[]) => [
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
    // Its first block says only that it is: it has no columns to count by.
    queryFn: ({ signal }) =>
      seq === 0 ? 0 : single(`SELECT count(*) FROM ${tableName(project, dataset, seq)}`, signal),
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

export interface ColumnFound {
  readonly name: string;
  readonly type: string;
}

/** The columns with their types as SQL names them. */
export const columnsQuery = (project: string, dataset: string, seq: number | undefined) =>
  queryOptions({
    queryKey: key(project, dataset, seq, "columns"),
    async queryFn({ signal }): Promise<readonly ColumnFound[]> {
      const { columns } = await runSql(`SELECT * FROM ${tableName(project, dataset, seq)} LIMIT 0`, { signal });
      return columns;
    },
  });

/** Above so many rows, statistics are those of the newest so many. */
export const sampledRows = 200_000;

export const lastOffsetQuery = (project: string, dataset: string, seq: number | undefined) =>
  queryOptions({
    queryKey: key(project, dataset, seq, "last offset"),
    queryFn: ({ signal }) => single(`SELECT max("offset") FROM ${tableName(project, dataset, seq)}`, signal),
  });

export const statisticsQuery = (
  project: string,
  dataset: string,
  seq: number | undefined,
  column: ColumnFound,
  afterOffset: number | null,
) =>
  queryOptions({
    // Not under the dataset's key: every commit would make every column be counted anew.
    queryKey: ["statistics", project, dataset, seq ?? "now", column.name, column.type, afterOffset],
    async queryFn({ signal }) {
      const sql = statisticsSql(tableName(project, dataset, seq), column, afterOffset);
      return statisticsFrom(await runSql(sql, { signal, timeoutMs: 60_000 }), lookOf(column.type));
    },
    staleTime: 5 * 60_000,
    retry: false,
  });

export const picks = ["newest", "first", "random"] as const;
export type Pick = (typeof picks)[number];

const shownRows = 200;

/** The rows to look at; `drawn` tells one random choice from the next. */
export const sampleQuery = (project: string, dataset: string, seq: number | undefined, pick: Pick, drawn: number) =>
  queryOptions({
    queryKey: key(project, dataset, seq, "sample", pick, drawn),
    queryFn: ({ signal }) => runSql(sampleSql(tableName(project, dataset, seq), pick), { signal, rowLimit: shownRows }),
    // A page of rows that is read does not change under one's eyes by every commit of others, but by the newest.
    staleTime: pick === "newest" ? 0 : Number.POSITIVE_INFINITY,
  });

function sampleSql(table: string, pick: Pick): string {
  switch (pick) {
    case "first":
      return `SELECT * FROM ${table} ORDER BY "offset" LIMIT ${shownRows}`;
    case "newest":
      return `SELECT * FROM ${table} ORDER BY "offset" DESC LIMIT ${shownRows}`;
    case "random":
      return `SELECT * FROM ${table} USING SAMPLE reservoir(${shownRows} ROWS)`;
  }
}
