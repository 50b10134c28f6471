import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { activityQuery, blockQuery, blocksQuery, datasetQuery } from "../../api/queries.ts";
import { useFlow } from "../../api/rates.ts";
import { Card, EmptyState, ErrorPanel, Skeleton, SkeletonRows } from "../../design/display.tsx";
import { Figure, FigureRow } from "../../design/figure.tsx";
import { bytes, compact, count, perSecond, rowCount } from "../../design/format.ts";
import { Ago } from "../../design/time.tsx";
import { TimeChart } from "../../design/time-chart.tsx";
import { type BlockFacts, factsOf } from "./block.ts";
import { Commits } from "./commits.tsx";
import css from "./dataset.module.css";
import { Origin } from "./origin.tsx";
import { usePlace } from "./place.ts";
import { quarantinedQuery, rowsAtQuery } from "./reads.ts";
import { Verify } from "./verify.tsx";

/** How the dataset is: how much, how fresh, how fast, from where, and whether it is whole. */
export function Overview(): ReactNode {
  const { seq } = usePlace();
  return (
    <>
      {seq === undefined ? <FiguresNow /> : <FiguresThen seq={seq} />}
      <div className={css.columns}>
        <div className={css.stack}>
          {seq === undefined && <LastHour />}
          <NewestCommits />
        </div>
        <div className={css.stack}>
          <Verify />
          <Origin />
        </div>
      </div>
    </>
  );
}

function FiguresNow(): ReactNode {
  const { project, dataset, keep } = usePlace();
  const { data } = useQuery(datasetQuery(project, dataset));
  const { rowsPerSecond, bytesPerSecond, overMs } = useFlow({ project, dataset });
  const { data: quarantined } = useQuery(quarantinedQuery(project, dataset, undefined));
  if (data === undefined) return <Skeleton height={94} />;
  return (
    <FigureRow label="Now">
      <Figure
        name="Rows a second"
        value={perSecond(rowsPerSecond)}
        more={`${bytes(bytesPerSecond)}/s over ${Math.round(overMs / 1_000)} s`}
      />
      <Figure name="Rows" value={compact(data.rows)} more={`in ${count(data.schema?.length ?? 0)} columns`} />
      <Figure
        name="Size"
        value={bytes(data.bytes)}
        more={`in ${count(data.slices)} ${data.slices === 1 ? "file" : "files"}`}
      />
      <Figure name="Last commit" value={<Ago at={data.lastCommitAt} />} more={`block ${data.seq}`} />
      <Figure
        name="Quarantined"
        value={quarantined === undefined ? "–" : compact(quarantined)}
        more={
          quarantined === 0 ? (
            "every row was taken"
          ) : (
            <Link to="/datasets/$project/$dataset/quarantine" {...keep}>
              see why
            </Link>
          )
        }
      />
    </FigureRow>
  );
}

function FiguresThen({ seq }: { readonly seq: number }): ReactNode {
  const { project, dataset } = usePlace();
  const { data: head } = useQuery(datasetQuery(project, dataset));
  const rows = useQuery(rowsAtQuery(project, dataset, seq));
  const { data: block } = useQuery(blockQuery(project, dataset, seq));
  const { data: quarantined } = useQuery(quarantinedQuery(project, dataset, seq));
  return (
    <>
      {rows.error !== null && <ErrorPanel error={rows.error} />}
      <FigureRow label="Then">
        <Figure
          name="Rows"
          value={rows.data === undefined ? "–" : compact(rows.data)}
          more={head === undefined ? "" : `${count(head.rows)} now`}
        />
        <Figure name="Committed" value={<Ago at={block == null ? null : factsOf(block).at} />} more={`block ${seq}`} />
        <Figure name="Quarantined" value={quarantined === undefined ? "–" : compact(quarantined)} />
      </FigureRow>
    </>
  );
}

function LastHour(): ReactNode {
  const { project, dataset } = usePlace();
  const { data, error, isPending, refetch } = useQuery(activityQuery);
  const own = data?.datasets.find((one) => one.project === project && one.dataset === dataset);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  return (
    <Card title="Last hour">
      {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
      {isPending && <SkeletonRows rows={4} height={28} />}
      {data !== undefined && own === undefined && (
        <p className={css.quiet}>
          {project === "system"
            ? "The platform's own datasets announce no commits: the chain tells them."
            : "No rows were committed in the last hour."}
        </p>
      )}
      {data !== undefined && own !== undefined && (
        <div className={css.hour}>
          <p className={css.caption}>{rowCount(sum(own.rows))}</p>
          <TimeChart
            label={`${rowCount(sum(own.rows))} committed`}
            values={own.rows}
            from={data.from}
            stepMs={data.stepMs}
          />
          <p className={css.caption}>{bytes(sum(own.bytes))}</p>
          <TimeChart
            label={`${bytes(sum(own.bytes))} committed`}
            values={own.bytes}
            from={data.from}
            stepMs={data.stepMs}
            format={(size) => bytes(size).replace(".0 ", " ")}
          />
        </div>
      )}
    </Card>
  );
}

const newest = 8;

function NewestCommits(): ReactNode {
  const { project, dataset, seq, keep } = usePlace();
  const { data, error, isPending, refetch } = useQuery(
    blocksQuery(project, dataset, seq === undefined ? null : seq + 1),
  );
  const blocks: BlockFacts[] = data?.blocks.slice(0, newest).map(factsOf) ?? [];
  return (
    <Card
      flush
      title={seq === undefined ? "Newest commits" : "Commits up to then"}
      actions={
        <Link to="/datasets/$project/$dataset/chain" {...keep}>
          The whole chain
        </Link>
      }
    >
      {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
      {isPending && <SkeletonRows rows={6} />}
      {data !== undefined && blocks.length === 0 && <EmptyState title="No blocks yet" />}
      {blocks.length > 0 && <Commits blocks={blocks} isShort />}
    </Card>
  );
}
