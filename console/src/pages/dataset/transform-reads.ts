import { queryOptions } from "@tanstack/react-query";
import { quoteName, runSql } from "../../api/sql.ts";

export interface TransformRun {
  readonly at: string;
  readonly state: string;
  readonly elapsedMs: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
  /** Rows that came too late for their window. */
  readonly rowsLate: number;
  /** The block that it made. */
  readonly seq: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly traceId: string;
}

const shownRuns = 100;
/** A run is told some seconds after it has ended, and by no event. */
const againMs = 5_000;

/** The newest runs of a derivative, newest first. */
export const runsQuery = (project: string, dataset: string) =>
  queryOptions({
    queryKey: ["dataset", project, dataset, "runs"],
    async queryFn({ signal }): Promise<readonly TransformRun[]> {
      const sql = `SELECT event_time, state, elapsed_ms, rows_read, rows_written, rows_late, seq, error_code, error_message, trace_id
FROM system.transform_runs WHERE dataset = ? ORDER BY event_time DESC LIMIT ${shownRuns}`;
      const { rows } = await runSql(sql, { parameters: [`${project}.${dataset}`], signal });
      return rows.map(runOf);
    },
    retry: false,
    refetchInterval: ({ state }) => (state.error === null ? againMs : false),
  });

function runOf(row: Readonly<Record<string, unknown>>): TransformRun {
  const text = (name: string) => (row[name] == null ? null : String(row[name]));
  return {
    at: text("event_time") ?? "",
    state: text("state") ?? "",
    elapsedMs: Number(row.elapsed_ms),
    rowsRead: Number(row.rows_read),
    rowsWritten: Number(row.rows_written),
    rowsLate: Number(row.rows_late ?? 0),
    seq: row.seq == null ? null : Number(row.seq),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    traceId: text("trace_id") ?? "",
  };
}

/** Stops the runs of a derivative, or lets them go on. @throws ApiError */
export const setPaused = (project: string, dataset: string, isPaused: boolean) =>
  runSql(`${isPaused ? "PAUSE" : "RESUME"} DATASET ${quoteName(project)}.${quoteName(dataset)}`);

/** Lets the next run make the whole result anew. @throws ApiError */
export const makeAnew = (project: string, dataset: string) =>
  runSql(`BACKFILL DATASET ${quoteName(project)}.${quoteName(dataset)}`);

/** The statement by which another SELECT takes the place of a dataset's own. */
export const changeSql = (project: string, dataset: string, sql: string): string =>
  `ALTER DATASET ${quoteName(project)}.${quoteName(dataset)} AS\n${sql}`;
