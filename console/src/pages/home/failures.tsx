import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { tasksQuery } from "../../api/queries.ts";
import { Card, Name, SkeletonRows } from "../../design/display.tsx";
import { join } from "../../design/join.ts";
import { Ago } from "../../design/time.tsx";
import css from "./home.module.css";

const mostShown = 5;

/** What failed lately, with the reason. */
export function Failures(): ReactNode {
  const { data, isPending } = useQuery(tasksQuery({ state: "failed" }));
  const failed = data?.tasks.slice(0, mostShown) ?? [];
  const all = (
    <Link to="/tasks" search={{ state: "failed" }}>
      All failures
    </Link>
  );
  return (
    <Card title="Recent failures" actions={all} flush>
      {isPending && <SkeletonRows rows={2} />}
      {data !== undefined && failed.length === 0 && <p className={join(css.row, css.quiet)}>No task has failed.</p>}
      <ul>
        {failed.map((task) => (
          <li key={task.id} className={css.row}>
            <div className={css.rowHead}>
              <span className={css.name}>{task.kind}</span>
              <span className={css.quiet}>
                <Ago at={task.endedAt} />
              </span>
            </div>
            <span className={css.quiet}>
              <Name>{task.error}</Name>
            </span>
          </li>
        ))}
      </ul>
    </Card>
  );
}
