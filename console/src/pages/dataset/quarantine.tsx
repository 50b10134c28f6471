import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Button, buttonClass } from "../../design/controls.tsx";
import { Badge, Card, DataTable, EmptyState, ErrorPanel, Name, SkeletonRows } from "../../design/display.tsx";
import { count, rowCount } from "../../design/format.ts";
import { Ago } from "../../design/time.tsx";
import { Grid } from "./grid.tsx";
import { Mend } from "./mend.tsx";
import { usePlace, usePlaceSearch } from "./place.ts";
import css from "./quarantine.module.css";
import { quarantinedRowsQuery, type Reason, reasonsQuery } from "./quarantine-reads.ts";
import { RetryOutcome, useRetry } from "./retry.tsx";

/** The rows that were not taken: why, which, and once more after what was wrong is mended. */
export function Quarantine(): ReactNode {
  const { project, dataset, seq } = usePlace();
  const search = usePlaceSearch();
  const { data: reasons, error, isPending, refetch } = useQuery(reasonsQuery(project, dataset, seq));
  const retry = useRetry(project, dataset);
  const chosen = search.reason === undefined ? null : { reason: search.reason, column: search.column ?? null };
  const total = reasons?.reduce((sum, { rows }) => sum + rows, 0) ?? 0;
  const held = seq === undefined ? null : "The past cannot be changed: go back to now.";

  if (error !== null) return <ErrorPanel error={error} again={() => void refetch()} />;
  if (reasons?.length === 0)
    return (
      <>
        <RetryOutcome retry={retry} />
        <Card>
          <EmptyState title={seq === undefined ? "Every row was taken" : "Every row up to then was taken"}>
            <p>Rows that do not fit their columns would stand here, each with its line, its text and the reason.</p>
          </EmptyState>
        </Card>
      </>
    );
  return (
    <>
      <RetryOutcome retry={retry} />
      <Card
        flush
        title={reasons === undefined ? "Reasons" : `${rowCount(total)} quarantined, by reason`}
        actions={
          <Button
            icon="refresh"
            onClick={() => retry.start(null)}
            unless={held}
            disabled={retry.isRunning || reasons === undefined}
            title="Sends every quarantined row again that was not sent yet"
          >
            Retry all
          </Button>
        }
      >
        {isPending && <SkeletonRows rows={4} />}
        {reasons !== undefined && (
          <DataTable
            label="Reasons"
            rows={reasons}
            keyOf={({ reason, column }) => JSON.stringify([reason, column])}
            columns={[
              { head: "Reason", cell: (one) => <ReasonLink one={one} isChosen={isSame(one, chosen)} /> },
              { head: "Column", cell: ({ column }) => (column === null ? "–" : <Name>{column}</Name>) },
              { head: "Rows", number: true, cell: ({ rows }) => count(rows) },
              {
                head: "Sent again",
                number: true,
                cell: ({ retried }) => (retried === null ? "–" : count(retried)),
              },
              {
                head: "First line",
                number: true,
                cell: ({ firstLine }) => (firstLine === null ? "–" : count(firstLine)),
              },
              { head: "Newest", number: true, cell: ({ newestAt }) => <Ago at={newestAt} /> },
              {
                head: <span className="visually-hidden">Retry</span>,
                number: true,
                cell: ({ reason, rows, retried }) => (
                  <Button
                    small
                    onClick={() => retry.start(reason)}
                    unless={held ?? (retried === rows ? "Each of these rows was sent again already." : null)}
                    disabled={retry.isRunning}
                  >
                    Retry
                  </Button>
                ),
              },
            ]}
          />
        )}
      </Card>
      <Rows chosen={chosen} />
      {seq === undefined && (
        <>
          <Mend />
          <Advice />
        </>
      )}
    </>
  );
}

interface Chosen {
  readonly reason: string;
  readonly column: string | null;
}

const isSame = (one: Chosen, other: Chosen | null): boolean =>
  other !== null && one.reason === other.reason && one.column === other.column;

function ReasonLink({ one, isChosen }: { readonly one: Reason; readonly isChosen: boolean }): ReactNode {
  const { keep } = usePlace();
  const of = { reason: one.reason, ...(one.column === null ? {} : { column: one.column }) };
  return (
    <Link
      to="/datasets/$project/$dataset/quarantine"
      params={keep.params}
      search={{ ...keep.search, ...(isChosen ? {} : of) }}
      resetScroll={false}
      aria-current={isChosen}
    >
      <Name>{one.reason}</Name>
    </Link>
  );
}

function Rows({ chosen }: { readonly chosen: Chosen | null }): ReactNode {
  const { project, dataset, seq, keep } = usePlace();
  const { data, error, isPending, refetch } = useQuery(quarantinedRowsQuery(project, dataset, seq, chosen));
  return (
    <Card
      flush
      title="The rows"
      actions={
        chosen !== null && (
          <>
            <Badge tone="accent">
              <Name>{chosen.reason}</Name>
            </Badge>
            <Link
              to="/datasets/$project/$dataset/quarantine"
              {...keep}
              resetScroll={false}
              className={buttonClass({ small: true })}
            >
              All reasons
            </Link>
          </>
        )
      }
    >
      {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
      {isPending && <SkeletonRows rows={6} />}
      {data !== undefined && <Grid label="Quarantined rows" columns={data.columns} rows={data.rows} />}
    </Card>
  );
}

function Advice(): ReactNode {
  return (
    <p className={css.advice}>
      A retry sends these rows again, as they came, after a fix of the dataset. Each row is sent once, however often you
      ask; rows keep their place here, and those that are refused again stand here anew.
    </p>
  );
}
