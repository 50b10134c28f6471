import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { activityQuery, datasetsQuery } from "../../api/queries.ts";
import { buttonClass } from "../../design/controls.tsx";
import { Card, Command, EmptyState, ErrorPanel, MillraceCommand, Page, SkeletonRows } from "../../design/display.tsx";
import { rowCount } from "../../design/format.ts";
import { TimeChart } from "../../design/time-chart.tsx";
import { Busiest } from "./busiest.tsx";
import { Failures } from "./failures.tsx";
import { Figures } from "./figures.tsx";
import css from "./home.module.css";
import { Running } from "./running.tsx";

/** What is flowing now; each figure leads to its cause. */
export function Home(): ReactNode {
  const datasets = useQuery(datasetsQuery);
  if (datasets.error !== null)
    return (
      <Page title="Home">
        <ErrorPanel error={datasets.error} again={() => void datasets.refetch()} />
      </Page>
    );
  const own = datasets.data?.filter(({ project }) => project !== "system");
  return (
    <Page title="Home" about="What is flowing now.">
      {own?.length === 0 ? <FirstSteps /> : <Now />}
    </Page>
  );
}

function FirstSteps(): ReactNode {
  const push = `curl -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/x-ndjson' --data-binary @rows.ndjson '${location.origin}/api/v1/projects/my/datasets/data/rows?create=true'`;
  return (
    <Card>
      <EmptyState title="No data yet">
        <p>A dataset begins with its first row. Upload a file here, or send one from a terminal:</p>
        <MillraceCommand args="ingest my.data YOUR_FILE.csv" />
        <p>Applications push rows as JSON, CSV, Parquet or Arrow over HTTP:</p>
        <Command text={push} />
        <Link to="/upload" className={buttonClass({ look: "primary" })}>
          Upload a file
        </Link>
      </EmptyState>
    </Card>
  );
}

function Now(): ReactNode {
  const { data, error, isPending, refetch } = useQuery(activityQuery);
  return (
    <>
      <Figures />
      <Card title="Rows committed in the last hour" actions={data !== undefined && <Total rows={data.total.rows} />}>
        {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
        {isPending && <SkeletonRows rows={4} height={28} />}
        {data !== undefined && (
          <TimeChart
            label="Rows committed over the last hour"
            values={data.total.rows}
            from={data.from}
            stepMs={data.stepMs}
          />
        )}
      </Card>
      <div className={css.columns}>
        <Busiest activity={data} />
        <div className={css.stack}>
          <Running />
          <Failures />
        </div>
      </div>
    </>
  );
}

function Total({ rows }: { readonly rows: readonly number[] }): ReactNode {
  return <span className={css.quiet}>{rowCount(rows.reduce((sum, one) => sum + one, 0))}</span>;
}
