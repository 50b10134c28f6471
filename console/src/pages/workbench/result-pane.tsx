import { lazy, type ReactNode, Suspense, useState } from "react";
import { useLive } from "../../api/live.ts";
import { Button, Segments } from "../../design/controls.tsx";
import { Badge, EmptyState, ErrorPanel, Kbd, Meter, SkeletonRows, Warning } from "../../design/display.tsx";
import { bytes, count, duration } from "../../design/format.ts";
import { shown } from "../../design/shown.ts";
import { useNow } from "../../design/time.tsx";
import { ExportMenu } from "./export-menu.tsx";
import { Grid } from "./grid/grid.tsx";
import { useLook } from "./grid/look.ts";
import { useOrder } from "./grid/use-order.ts";
import type { Result } from "./result/fetch.ts";
import { type Outcome, type Run, runs, useRun } from "./runs.ts";
import { tabStore } from "./tab-store.ts";
import type { Tab } from "./tabs.ts";
import css from "./workbench.module.css";

const ChartView = lazy(() => import("./chart/chart.tsx"));

/** What a tab's statements came to. */
export function ResultPane({ tab }: { readonly tab: Tab }): ReactNode {
  const run = useRun(tab.id);
  const outcome = run?.outcomes[run.shown];
  if (run === undefined || outcome === undefined) {
    return (
      <EmptyState title="Nothing was run in this tab">
        <p>
          <Kbd>Ctrl</Kbd> <Kbd>Enter</Kbd> runs what is selected, or all of it. Statements are parted by semicolons.
        </p>
      </EmptyState>
    );
  }
  return (
    <div className={css.resultPane}>
      {run.outcomes.length > 1 && <Statements tab={tab.id} run={run} />}
      <OutcomeView key={`${tab.id} ${run.shown}`} outcome={outcome} tab={tab} />
    </div>
  );
}

function Statements({ tab, run }: { readonly tab: string; readonly run: Run }): ReactNode {
  return (
    // biome-ignore lint/a11y/useSemanticElements: buttons in a row, not a form's fields
    <div className={css.statements} role="group" aria-label="Statements">
      {run.outcomes.map(({ statement, state }, at) => (
        <button
          key={at}
          type="button"
          className={css.statement}
          aria-pressed={at === run.shown}
          title={statement.sql.slice(0, 500)}
          onClick={() => runs.show(tab, at)}
        >
          <span className={css.stateDot} data-state={state.kind} />
          {at + 1}
          <code dir="ltr">{shown(statement.sql.replace(/\s+/g, " ").slice(0, 40))}</code>
        </button>
      ))}
    </div>
  );
}

function OutcomeView({ outcome: { state }, tab }: { readonly outcome: Outcome; readonly tab: Tab }): ReactNode {
  switch (state.kind) {
    case "waiting":
      return <EmptyState title="Waits for the statements before it" />;
    case "cancelled":
      return (
        <EmptyState title="Cancelled">
          <p>The server was told to stop the query; nothing of it is kept.</p>
        </EmptyState>
      );
    case "running":
      return (
        <Running
          traceId={state.traceId}
          tab={tab.id}
          startedAtMs={state.startedAtMs}
          receivedBytes={state.receivedBytes}
        />
      );
    case "failed":
      return (
        <div className={css.padded}>
          <ErrorPanel error={state.error} />
        </div>
      );
    case "done":
      return <Done key={state.result.queryId} result={state.result} elapsedMs={state.elapsedMs} tab={tab} />;
  }
}

/** Live: how long it runs, what the server says of it, what has come. */
function Running({
  traceId,
  tab,
  startedAtMs,
  receivedBytes,
}: {
  readonly traceId: string;
  readonly tab: string;
  readonly startedAtMs: number;
  readonly receivedBytes: number;
}): ReactNode {
  const now = useNow(100);
  const query = useLive()
    .activity.at(-1)
    ?.queries.find((one) => one.traceId === traceId);
  const progress = receivedBytes > 0 ? null : (query?.progress ?? null);
  const what =
    receivedBytes > 0
      ? `Receiving the result: ${bytes(receivedBytes)}`
      : query?.state === "queued"
        ? "Waits for its turn on the server"
        : "Runs on the server";
  return (
    <div>
      <div className={css.status} role="status">
        <Badge tone="accent" dot>
          {query?.state ?? "running"}
        </Badge>
        <span>{what}</span>
        {progress !== null && (
          <>
            <div className={css.progress}>
              <Meter label="How far the query is" done={Math.floor(progress * 100)} total={100} />
            </div>
            <span className={css.clock}>{Math.floor(progress * 100)} %</span>
          </>
        )}
        <span className={css.clock}>{duration(Math.max(0, now - startedAtMs))}</span>
        <Button small icon="stop" onClick={() => runs.cancel(tab)}>
          Cancel
        </Button>
      </div>
      <SkeletonRows rows={8} />
    </div>
  );
}

type ResultLook = "grid" | "chart";

function Done({
  result,
  elapsedMs,
  tab,
}: {
  readonly result: Result;
  readonly elapsedMs: number;
  readonly tab: Tab;
}): ReactNode {
  const [look, setLook] = useState<ResultLook>(tab.chart === null ? "grid" : "chart");
  const [gridLook, changeLook] = useLook(result.columns);
  const { isFiltering } = gridLook;
  const order = useOrder(result.columns, gridLook);
  const bar = (shownRows: number | null) => (
    <div className={css.status}>
      <Segments
        label="Look at the result as"
        value={look}
        options={[
          { value: "grid", label: "Grid" },
          { value: "chart", label: "Chart" },
        ]}
        onChange={setLook}
      />
      <span className={css.figures} role="status">
        {shownRows === null ? "Sorting… " : shownRows < result.rows ? `${count(shownRows)} of ` : ""}
        {count(result.rows)} {result.rows === 1 ? "row" : "rows"} · {duration(elapsedMs)} · {bytes(result.sizeBytes)}
      </span>
      {result.isTruncated && (
        <span title="The row limit was reached: the server has more rows. Raise the limit, or export all of them.">
          <Warning>first {count(result.rows)} rows only</Warning>
        </span>
      )}
      <span className={css.spread} />
      {look === "grid" && (
        <Button
          small
          icon="filter"
          aria-pressed={isFiltering}
          onClick={() => changeLook(() => ({ isFiltering: !isFiltering }))}
        >
          Filter
        </Button>
      )}
      <ExportMenu sql={result.sql} name={tab.name} />
    </div>
  );
  if (look === "chart") {
    return (
      <>
        {bar(order.isFinding ? null : (order.rows?.length ?? result.rows))}
        <Suspense fallback={<SkeletonRows rows={6} />}>
          <ChartView
            result={result}
            shown={order.rows}
            chosen={tab.chart}
            onChange={(chart) => tabStore.change(tab.id, { chart })}
          />
        </Suspense>
      </>
    );
  }
  return (
    <Grid
      columns={result.columns}
      rows={result.rows}
      label={`Result of ${tab.name}`}
      look={gridLook}
      order={order}
      onLook={changeLook}
      status={bar}
    />
  );
}
