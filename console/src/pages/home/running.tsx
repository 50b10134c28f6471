import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { queriesQuery, tasksQuery } from "../../api/queries.ts";
import { Badge, Card, Data, Meter, Name, SkeletonRows } from "../../design/display.tsx";
import { join } from "../../design/join.ts";
import { Ago } from "../../design/time.tsx";
import css from "./home.module.css";

const mostShown = 5;
const mostText = 140;

/** What works now: tasks with how far they are, queries with who asked. */
export function Running(): ReactNode {
  const tasks = useQuery(tasksQuery({ state: "running" }));
  const queries = useQuery(queriesQuery);
  const [running, asked] = [tasks.data?.tasks ?? [], queries.data?.queries ?? []];
  return (
    <Card title="Running" actions={<Link to="/tasks">All tasks</Link>} flush>
      {(tasks.isPending || queries.isPending) && <SkeletonRows rows={2} />}
      {tasks.isSuccess && queries.isSuccess && running.length + asked.length === 0 && (
        <p className={join(css.row, css.quiet)}>Nothing runs at the moment.</p>
      )}
      <ul>
        {running.slice(0, mostShown).map((task) => (
          <li key={task.id} className={css.row}>
            <div className={css.rowHead}>
              <span className={css.name}>{task.kind}</span>
              <span className={css.quiet}>
                <Ago at={task.startedAt} />
              </span>
            </div>
            <span className={css.quiet}>{task.progress?.text ?? task.project}</span>
            {task.progress !== null && (
              <Meter label={task.kind} done={task.progress.done} total={task.progress.total} />
            )}
          </li>
        ))}
        {asked.slice(0, mostShown).map((query) => (
          <li key={query.queryId} className={css.row}>
            <div className={css.rowHead}>
              <span className={css.name}>
                Query by <Name>{query.user}</Name>
              </span>
              <Badge tone="accent">{query.state}</Badge>
            </div>
            <Data>{query.sql.length > mostText ? `${query.sql.slice(0, mostText)}…` : query.sql}</Data>
          </li>
        ))}
      </ul>
    </Card>
  );
}
