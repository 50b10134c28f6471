import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { byActivity } from "../../api/flow.ts";
import { datasetsQuery } from "../../api/queries.ts";
import type { Activity } from "../../api/types.ts";
import { Card, DataTable, EmptyState, Name, SkeletonRows } from "../../design/display.tsx";
import { bytes, compact } from "../../design/format.ts";
import { Sparkline } from "../../design/small-charts.tsx";
import { Ago } from "../../design/time.tsx";

const mostShown = 10;

/** The datasets that took the most rows within the hour; behind them, the newest. */
export function Busiest({ activity }: { readonly activity: Activity | undefined }): ReactNode {
  const { data: datasets } = useQuery(datasetsQuery);
  if (activity === undefined || datasets === undefined)
    return (
      <Card title="Datasets by activity" flush>
        <SkeletonRows />
      </Card>
    );
  const hours = new Map(byActivity(activity).map((one) => [`${one.project}.${one.dataset}`, one]));
  const shown = datasets
    .filter(({ project }) => project !== "system")
    .map((one) => ({
      ...one,
      hour: hours.get(`${one.project}.${one.dataset}`),
      newest: Date.parse(one.lastCommitAt ?? "1970-01-01"),
    }))
    .sort((a, b) => (b.hour?.total ?? 0) - (a.hour?.total ?? 0) || b.newest - a.newest)
    .slice(0, mostShown);
  return (
    <Card title="Datasets by activity" actions={<Link to="/datasets">All datasets</Link>} flush>
      {shown.length === 0 ? (
        <EmptyState title="Nothing has come yet" />
      ) : (
        <DataTable
          label="Datasets by activity"
          rows={shown}
          keyOf={({ datasetId }) => datasetId}
          columns={[
            {
              head: "Dataset",
              cell: ({ project, dataset }) => (
                <Link to="/datasets/$project/$dataset" params={{ project, dataset }}>
                  <Name>
                    {project}.{dataset}
                  </Name>
                </Link>
              ),
            },
            {
              head: "Last hour",
              cell: ({ hour }) =>
                hour === undefined ? (
                  "–"
                ) : (
                  <Sparkline
                    values={hour.rows}
                    label={`${compact(hour.total)} rows within the hour`}
                    width={110}
                    height={24}
                  />
                ),
            },
            { head: "Rows", number: true, cell: ({ rows }) => compact(rows) },
            { head: "Size", number: true, cell: (dataset) => bytes(dataset.bytes) },
            { head: "Newest", number: true, cell: ({ lastCommitAt }) => <Ago at={lastCommitAt} /> },
          ]}
        />
      )}
    </Card>
  );
}
