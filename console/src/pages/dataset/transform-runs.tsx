import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { ApiError } from "../../api/client.ts";
import { Badge, Card, Data, DataTable, EmptyState, ErrorPanel, Name, SkeletonRows } from "../../design/display.tsx";
import { count, duration } from "../../design/format.ts";
import { Ago } from "../../design/time.tsx";
import { usePlace } from "./place.ts";
import css from "./transform.module.css";
import { runsQuery, type TransformRun } from "./transform-reads.ts";

/** What its newest runs read and wrote, how long they took, and why one failed. */
export function TransformRuns(): ReactNode {
  const { project, dataset, keep } = usePlace();
  const { data, error, isPending, refetch } = useQuery(runsQuery(project, dataset));
  const mayNot = error instanceof ApiError && (error.status === 404 || error.status === 403);
  return (
    <Card flush title="Runs">
      {mayNot && (
        <EmptyState title="Runs are not yours to see">
          <p>
            They stand in <Data>system.transform_runs</Data>, which an owner can let you read.
          </p>
        </EmptyState>
      )}
      {error !== null && !mayNot && <ErrorPanel error={error} again={() => void refetch()} />}
      {isPending && <SkeletonRows rows={5} />}
      {data?.length === 0 && (
        <EmptyState title="No run has ended yet">
          <p>A run is told a few seconds after it has ended.</p>
        </EmptyState>
      )}
      {data !== undefined && data.length > 0 && (
        <div className={css.runs}>
          <DataTable
            label="Runs, newest first"
            rows={data}
            keyOf={({ traceId }) => traceId}
            columns={[
              { head: "Ended", keep: true, cell: ({ at }) => <Ago at={at} /> },
              {
                head: "State",
                keep: true,
                cell: ({ state }) => (
                  <Badge dot tone={state === "done" ? "good" : "bad"}>
                    {state}
                  </Badge>
                ),
              },
              { head: "Rows read", number: true, cell: ({ rowsRead }) => count(rowsRead) },
              {
                head: "Rows written",
                number: true,
                cell: ({ rowsWritten, rowsLate }) => (
                  <>
                    {rowsLate > 0 && <Badge tone="warn">{count(rowsLate)} too late</Badge>} {count(rowsWritten)}
                  </>
                ),
              },
              { head: "Took", number: true, cell: ({ elapsedMs }) => duration(elapsedMs) },
              {
                head: "Block",
                number: true,
                cell: ({ seq }) =>
                  seq === null ? (
                    ""
                  ) : (
                    <Link to="/datasets/$project/$dataset/chain" params={keep.params} search={{ block: seq }}>
                      {seq}
                    </Link>
                  ),
              },
              { head: "Error", long: true, cell: (run) => <Failure run={run} /> },
            ]}
          />
        </div>
      )}
    </Card>
  );
}

function Failure({ run: { errorCode, errorMessage } }: { readonly run: TransformRun }): ReactNode {
  if (errorCode === null) return null;
  return (
    <>
      <Data>{errorCode}</Data> <Name>{errorMessage}</Name>
    </>
  );
}
