import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useLive } from "../../api/live.ts";
import { datasetsQuery } from "../../api/queries.ts";
import { useRates } from "../../api/rates.ts";
import { bytes, compact, count } from "../../design/format.ts";
import css from "./home.module.css";

/** The four figures of the moment. */
export function Figures(): ReactNode {
  const { activity } = useLive();
  const rates = [...useRates().values()];
  const [rowsPerS, bytesPerS] = [sum(rates.map((rate) => rate.rowsPerS)), sum(rates.map((rate) => rate.bytesPerS))];
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
          value={compact(rowsPerS)}
          more={`${bytes(bytesPerS)} a second, over 10 s`}
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
          value={known(bytes(sum(datasets?.map((one) => one.bytes) ?? [])))}
          more={`${compact(sum(own.map((one) => one.rows)))} rows`}
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

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
