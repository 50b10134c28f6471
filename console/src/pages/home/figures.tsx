import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { flowNow } from "../../api/flow.ts";
import { useLive } from "../../api/live.ts";
import { datasetsQuery } from "../../api/queries.ts";
import { bytes, compact, count } from "../../design/format.ts";
import { useNow } from "../../design/time.tsx";
import css from "./home.module.css";

/** The four figures of the moment. */
export function Figures(): ReactNode {
  const { activity } = useLive();
  const { rowsPerSecond, bytesPerSecond } = flowNow(activity, useNow(1_000));
  const { data: datasets } = useQuery(datasetsQuery);
  const own = datasets?.filter(({ project }) => project !== "system") ?? [];
  const projects = new Set(own.map(({ project }) => project)).size;
  const { queriesRunning = 0, tasksRunning = 0 } = activity.at(-1) ?? {};
  const known = (text: string) => (datasets === undefined ? "–" : text);
  return (
    <section className={css.figures} aria-label="Now">
      <div className={css.figure}>
        <Parts
          name="Rows a second"
          value={compact(rowsPerSecond)}
          more={`${bytes(bytesPerSecond)} a second, over 10 s`}
        />
      </div>
      <Link to="/datasets" className={css.figure}>
        <Parts
          name="Datasets"
          value={known(count(own.length))}
          more={`in ${count(projects)} ${projects === 1 ? "project" : "projects"}`}
        />
      </Link>
      <Link to="/datasets" search={{ sort: "bytes" }} className={css.figure}>
        <Parts
          name="Stored"
          value={known(bytes(datasets?.reduce((sum, one) => sum + one.bytes, 0) ?? 0))}
          more={`${compact(own.reduce((sum, one) => sum + one.rows, 0))} rows`}
        />
      </Link>
      <Link to="/tasks" search={{ state: "running" }} className={css.figure}>
        <Parts
          name="Running"
          value={count(queriesRunning + tasksRunning)}
          more={`${count(queriesRunning)} queries, ${count(tasksRunning)} tasks`}
        />
      </Link>
    </section>
  );
}

function Parts({
  name,
  value,
  more,
}: {
  readonly name: string;
  readonly value: string;
  readonly more: string;
}): ReactNode {
  return (
    <>
      <span className={css.figureName}>{name}</span>
      <span className={css.figureValue}>{value}</span>
      <span className={css.figureMore}>{more}</span>
    </>
  );
}
