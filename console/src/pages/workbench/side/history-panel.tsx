import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { datasetsQuery } from "../../../api/queries.ts";
import { runSql } from "../../../api/sql.ts";
import { Button, Segments } from "../../../design/controls.tsx";
import { Badge, EmptyState, ErrorPanel, SkeletonRows } from "../../../design/display.tsx";
import { compact, duration } from "../../../design/format.ts";
import { shown } from "../../../design/shown.ts";
import { Ago } from "../../../design/time.tsx";
import { clearHistory, type Ran, useHistory, withHere } from "../history.ts";
import css from "./side.module.css";

const serverHistory = {
  queryKey: ["queries", "own"],
  async queryFn({ signal }: { readonly signal: AbortSignal }): Promise<Ran[]> {
    const { rows } = await runSql(
      `SELECT sql, epoch_ms(event_time) AS at_ms, elapsed_ms, state, "rows" FROM system.queries
       WHERE user_name = current_user AND event_time > now() - INTERVAL 30 DAY ORDER BY event_time DESC LIMIT 200`,
      { rowLimit: 200, signal },
    );
    return rows.map((row) => ({
      sql: String(row.sql ?? ""),
      atMs: Number(row.at_ms ?? 0),
      elapsedMs: Number(row.elapsed_ms ?? 0),
      state: row.state === "done" ? "done" : row.state === "cancelled" ? "cancelled" : "failed",
      rows: row.rows === null || row.rows === undefined ? null : Number(row.rows),
    }));
  },
  staleTime: 5_000,
};

/** What was run: from this browser at once, from everywhere by asking `system.queries`. */
export function HistoryPanel({ onOpen }: { readonly onOpen: (sql: string) => void }): ReactNode {
  const [from, setFrom] = useState<"here" | "everywhere">("here");
  return (
    <>
      <div className={css.find}>
        <Segments
          label="History of"
          value={from}
          options={[
            { value: "here", label: "This browser" },
            { value: "everywhere", label: "All of mine" },
          ]}
          onChange={setFrom}
        />
      </div>
      {from === "here" ? <Here onOpen={onOpen} /> : <Everywhere onOpen={onOpen} />}
    </>
  );
}

function Here({ onOpen }: { readonly onOpen: (sql: string) => void }): ReactNode {
  const history = useHistory();
  if (history.length === 0) return <Nothing />;
  return (
    <>
      <RanList list={history} onOpen={onOpen} />
      <div className={css.more}>
        <Button small look="quiet" onClick={clearHistory}>
          Forget all
        </Button>
      </div>
    </>
  );
}

function Everywhere({ onOpen }: { readonly onOpen: (sql: string) => void }): ReactNode {
  const { data: datasets } = useQuery(datasetsQuery);
  const mayRead = datasets?.some(({ project, dataset }) => project === "system" && dataset === "queries");
  const { data, error, isPending, refetch } = useQuery({ ...serverHistory, enabled: mayRead === true });
  const here = useHistory();
  if (mayRead === false) return <KeptFromYou />;
  if (isPending) return <SkeletonRows rows={6} />;
  if (error !== null) return <ErrorPanel error={error} again={() => void refetch()} />;
  const all = withHere(data, here, Date.now());
  return all.length === 0 ? <Nothing /> : <RanList list={all} onOpen={onOpen} />;
}

function KeptFromYou(): ReactNode {
  return (
    <EmptyState title="Only this browser's">
      <p>
        Your role may not read system.queries, where every run is kept. What you ran here stands under This browser.
      </p>
    </EmptyState>
  );
}

function Nothing(): ReactNode {
  return (
    <EmptyState title="Nothing was run yet">
      <p>Every statement that you run is listed here, to be run again.</p>
    </EmptyState>
  );
}

function RanList({
  list,
  onOpen,
}: {
  readonly list: readonly Ran[];
  readonly onOpen: (sql: string) => void;
}): ReactNode {
  return (
    <ul className={css.list}>
      {list.map((ran, at) => (
        <li key={at}>
          <button type="button" className={css.ran} title={ran.sql.slice(0, 1_000)} onClick={() => onOpen(ran.sql)}>
            <code dir="ltr">{shown(ran.sql.replace(/\s+/g, " ").slice(0, 200))}</code>
            <span className={css.facts}>
              {ran.state !== "done" && <Badge tone={ran.state === "failed" ? "bad" : "plain"}>{ran.state}</Badge>}
              <Ago at={new Date(ran.atMs).toISOString()} />
              <span>{duration(ran.elapsedMs)}</span>
              {ran.rows !== null && (
                <span>
                  {compact(ran.rows)} {ran.rows === 1 ? "row" : "rows"}
                </span>
              )}
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
