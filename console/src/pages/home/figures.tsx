import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useLive } from "../../api/live.ts";
import { datasetsQuery } from "../../api/queries.ts";
import { useFlow } from "../../api/rates.ts";
import { FigureLink, FigureRow } from "../../design/figure.tsx";
import { bytes, compact, count, perSecond } from "../../design/format.ts";

/** The four figures of the moment. */
export function Figures(): ReactNode {
  const { activity } = useLive();
  const { rowsPerSecond, bytesPerSecond, overMs } = useFlow();
  const { data: datasets } = useQuery(datasetsQuery);
  const own = datasets?.filter(({ project }) => project !== "system") ?? [];
  const projects = new Set(own.map(({ project }) => project)).size;
  const { queriesRunning = 0, tasksRunning = 0 } = activity.at(-1) ?? {};
  const known = (text: string) => (datasets === undefined ? "–" : text);
  const many = (number: number, one: string, more: string) => `${count(number)} ${number === 1 ? one : more}`;
  return (
    <FigureRow label="Now">
      <FigureLink
        to="/datasets"
        search={{ sort: "-rate" }}
        name="Rows a second"
        value={perSecond(rowsPerSecond)}
        more={`${bytes(bytesPerSecond)}/s over ${Math.round(overMs / 1_000)} s`}
      />
      <FigureLink
        to="/datasets"
        name="Datasets"
        value={known(count(own.length))}
        more={known(`in ${many(projects, "project", "projects")}`)}
      />
      <FigureLink
        to="/datasets"
        search={{ sort: "-bytes" }}
        name="Stored"
        value={known(bytes(datasets?.reduce((sum, one) => sum + one.bytes, 0) ?? 0))}
        more={known(`${compact(own.reduce((sum, one) => sum + one.rows, 0))} rows`)}
      />
      <FigureLink
        to="/tasks"
        search={{ state: "running" }}
        name="Running"
        value={count(queriesRunning + tasksRunning)}
        more={`${many(queriesRunning, "query", "queries")}, ${many(tasksRunning, "task", "tasks")}`}
      />
    </FigureRow>
  );
}
