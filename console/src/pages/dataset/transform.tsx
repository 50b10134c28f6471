import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { lazy, type ReactNode, Suspense } from "react";
import { datasetLineageQuery, datasetQuery } from "../../api/queries.ts";
import type { LineageEdge, OneDataset } from "../../api/types.ts";
import {
  Badge,
  Card,
  Data,
  DataTable,
  EmptyState,
  ErrorPanel,
  Facts,
  MillraceCommand,
  Name,
  Skeleton,
  SkeletonRows,
} from "../../design/display.tsx";
import { Figure, FigureRow } from "../../design/figure.tsx";
import { bytes, compact, count, duration } from "../../design/format.ts";
import { Bars } from "../../design/small-charts.tsx";
import { Ago } from "../../design/time.tsx";
import { behindText, toneOf, waitText } from "../lineage/states.ts";
import { usePlace } from "./place.ts";
import css from "./transform.module.css";
import { TransformActions } from "./transform-actions.tsx";
import { runsQuery, type TransformRun } from "./transform-reads.ts";
import { TransformRuns } from "./transform-runs.tsx";

const SqlText = lazy(() => import("../workbench/editor/sql-text.tsx"));

type Transform = NonNullable<OneDataset["transform"]>;

/** How a transform stands is told by no event: it is asked for while somebody looks. */
const againMs = 3_000;
const drawnRuns = 28;

/** The SELECT that a derivative is the result of, how it is kept right, and what its runs did. */
export function TransformPage(): ReactNode {
  const { project, dataset } = usePlace();
  const { data, error, refetch } = useQuery({ ...datasetQuery(project, dataset), refetchInterval: againMs });
  if (error !== null) return <ErrorPanel error={error} again={() => void refetch()} />;
  if (data === undefined) return <SkeletonRows rows={6} height={28} />;
  const { transform } = data;
  if (transform === null)
    return (
      <Card>
        <EmptyState title="Its rows come from outside">
          <p>A dataset that is the result of a SELECT shows here how it is kept right.</p>
        </EmptyState>
      </Card>
    );
  return (
    <>
      <Figures transform={transform} />
      {transform.error !== null && <Failing transform={transform} error={transform.error} />}
      <div className={css.columns}>
        <Card title="SELECT" actions={<TransformActions transform={transform} />}>
          <div className={css.stack}>
            <Suspense fallback={<Skeleton height={120} />}>
              <SqlText sql={transform.sql} label="The SELECT" />
            </Suspense>
            <How transform={transform} />
          </div>
        </Card>
        <Inputs transform={transform} />
      </div>
      <TransformRuns />
    </>
  );
}

function Figures({ transform }: { readonly transform: Transform }): ReactNode {
  const { project, dataset } = usePlace();
  const { data: runs = [] } = useQuery(runsQuery(project, dataset));
  const edges = useInputs();
  const [last] = runs;
  const forth = runs.slice(0, drawnRuns).toReversed();
  const bars = (of: (run: TransformRun) => number) => [
    ...forth.map(of),
    ...Array.from({ length: drawnRuns - forth.length }, () => 0),
  ];
  const rows = edges.reduce((sum, { behindRows }) => sum + behindRows, 0);
  const ms = Math.max(0, ...edges.map(({ behindMs }) => behindMs));
  return (
    <FigureRow label="The transform now">
      <Figure
        name="State"
        value={
          <Badge dot tone={toneOf(transform.state)}>
            {transform.state}
          </Badge>
        }
        more={stateText(transform)}
      />
      <Figure
        name="Behind its inputs"
        value={rows === 0 ? "0 ms" : duration(ms)}
        more={rows === 0 ? "all rows are read" : waitText(rows)}
      />
      <Figure
        name="Rows of a run"
        value={last === undefined ? "–" : compact(last.rowsWritten)}
        more={<Bars values={bars((run) => run.rowsWritten)} label="Rows written by the last runs" width={98} />}
      />
      <Figure
        name="Time of a run"
        value={last === undefined ? "–" : duration(last.elapsedMs)}
        more={
          <Bars values={bars((run) => run.elapsedMs)} label="Time of the last runs" width={98} color="var(--chart-1)" />
        }
      />
      <Figure
        name="Watermark"
        value={transform.watermark === null ? "–" : <Ago at={transform.watermark} />}
        more={transform.watermark === null ? "an input has none yet" : "nothing earlier is expected"}
      />
      {transform.groups.kept && (
        <Figure
          name="Groups kept"
          value={compact(transform.groups.count)}
          more={`${bytes(transform.groups.sizeBytes)} on this server`}
        />
      )}
      {transform.emit !== null && (
        <Figure
          name="Rows too late"
          value={compact(transform.rowsLate)}
          more={transform.rowsLate === 0 ? "none was left out" : "left out since the start"}
        />
      )}
    </FigureRow>
  );
}

function stateText({ state, failures, awaited }: Transform): string {
  switch (state) {
    case "idle":
      return "nothing is new";
    case "waiting":
      return awaited === null ? "waits for its turn" : `waits for ${awaited.project}.${awaited.dataset}`;
    case "running":
      return "makes new rows";
    case "paused":
      return "reads nothing";
    case "failing":
      return failures === 1 ? "one run failed" : `${count(failures)} runs failed in a row`;
  }
}

function Failing({
  transform,
  error,
}: {
  readonly transform: Transform;
  readonly error: NonNullable<Transform["error"]>;
}): ReactNode {
  return (
    <div className={css.failing} role="alert">
      <strong>
        <Name>{error.message}</Name>
      </strong>
      <span>
        code <Data>{error.code}</Data>
        {transform.nextTryAt !== null && (
          <>
            , tried again <Ago at={transform.nextTryAt} />
          </>
        )}
      </span>
    </div>
  );
}

/** When windows are told of, in a word. */
function emitText(emit: Transform["emit"]): string {
  if (emit === null) return "at once";
  const late = emit.latenessMs === 0 ? "" : `, ${duration(emit.latenessMs)} behind`;
  const allowed = emit.allowedMs === null || emit.allowedMs === 0 ? "" : `, corrected for ${duration(emit.allowedMs)}`;
  const idle = emit.idleMs === null ? "" : `, or when nothing came for ${duration(emit.idleMs)}`;
  return `${emit.when === "close" ? "when a window closes" : "at once"}${late}${allowed}${idle}`;
}

function How({ transform: { mode, why, key, emit } }: { readonly transform: Transform }): ReactNode {
  const { project, dataset } = usePlace();
  return (
    <>
      <Facts
        facts={[
          ["Mode", mode],
          ["Tells", emitText(emit)],
          ["Key", key.length === 0 ? "none" : <Data key="k">{key.join(", ")}</Data>],
        ]}
      />
      <p className={css.quiet}>Kept right that way because {why}.</p>
      <p className={css.quiet}>To prove that its runs make the same rows again:</p>
      <MillraceCommand args={`verify ${project}.${dataset} --rebuild`} />
    </>
  );
}

/** How far each input is read. */
function useInputs(): readonly LineageEdge[] {
  const { project, dataset } = usePlace();
  const { data } = useQuery({ ...datasetLineageQuery(project, dataset), refetchInterval: againMs });
  return data?.edges.filter(({ to }) => to === `dataset:${project}.${dataset}`) ?? [];
}

function Inputs({ transform: { inputs } }: { readonly transform: Transform }): ReactNode {
  const { keep } = usePlace();
  const edges = useInputs();
  const rows = inputs.map((input) => ({
    ...input,
    edge: edges.find(({ from }) => from === `dataset:${input.project}.${input.dataset}`),
  }));
  return (
    <Card
      flush
      title="Inputs"
      actions={
        <Link to="/datasets/$project/$dataset/lineage" {...keep}>
          Lineage
        </Link>
      }
    >
      <DataTable
        label="Inputs and how far they are read"
        rows={rows}
        keyOf={({ project, dataset }) => `${project}.${dataset}`}
        columns={[
          {
            head: "Dataset",
            cell: ({ project, dataset }) => (
              <Link to="/datasets/$project/$dataset" params={{ project, dataset }}>
                <Name>{`${project}.${dataset}`}</Name>
              </Link>
            ),
          },
          {
            head: "Read up to row",
            number: true,
            cell: ({ edge }) => (edge === undefined ? "–" : count(edge.readOffset)),
          },
          {
            head: "Behind",
            number: true,
            cell: ({ edge }) =>
              edge === undefined ? "–" : (behindText(edge.behindRows, edge.behindMs) ?? "nothing waits"),
          },
        ]}
      />
    </Card>
  );
}
