import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { ask, path } from "../../api/client.ts";
import { queriesQuery, tasksQuery } from "../../api/queries.ts";
import type { Query, Task } from "../../api/types.ts";
import { Button, Segments } from "../../design/controls.tsx";
import {
  Badge,
  Card,
  Data,
  DataTable,
  EmptyState,
  ErrorPanel,
  Meter,
  Name,
  Page,
  SkeletonRows,
  type Tone,
} from "../../design/display.tsx";
import { duration } from "../../design/format.ts";
import { tell, tellFailure } from "../../design/overlays.tsx";
import { Ago } from "../../design/time.tsx";
import css from "./tasks.module.css";

const states = [
  { value: "", label: "All" },
  { value: "running", label: "Running" },
  { value: "queued", label: "Queued" },
  { value: "failed", label: "Failed" },
  { value: "done", label: "Done" },
  { value: "cancelled", label: "Cancelled" },
];

/** What the platform does in the background, and the queries that run. */
export function Tasks(): ReactNode {
  const { state = "", kind, project } = useSearch({ from: "/inside/tasks" });
  const navigate = useNavigate({ from: "/tasks" });
  const filter = { ...(state === "" ? {} : { state }), ...(kind ? { kind } : {}), ...(project ? { project } : {}) };
  const { data, error, isPending, refetch } = useQuery(tasksQuery(filter));
  const choose = (value: string) =>
    void navigate({
      search: ({ state: _, ...rest }) => (value === "" ? rest : { ...rest, state: value }),
      replace: true,
    });
  return (
    <Page
      title="Tasks"
      about="Work in the background: compaction, checks, collections. It survives restarts."
      actions={<Segments label="State" value={state} options={states} onChange={choose} />}
    >
      <RunningQueries />
      <Card title="Tasks" flush>
        {isPending && <SkeletonRows rows={8} />}
        {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
        {data?.tasks.length === 0 && (
          <EmptyState title={state === "" ? "No tasks yet" : `No task is ${state}`}>
            <p>Tasks come by themselves: a dataset with many small commits is compacted, old ones are swept daily.</p>
          </EmptyState>
        )}
        {data !== undefined && data.tasks.length > 0 && <TaskTable tasks={data.tasks} />}
      </Card>
    </Page>
  );
}

const tones: Readonly<Record<string, Tone>> = { running: "accent", failed: "bad", done: "good", cancelled: "warn" };

function TaskTable({ tasks }: { readonly tasks: readonly Task[] }): ReactNode {
  return (
    <DataTable
      label="Tasks"
      rows={tasks}
      keyOf={({ id }) => id}
      columns={[
        {
          head: "Kind",
          keep: true,
          cell: ({ kind, project }) => (
            <div className={css.stacked}>
              <Data>{kind}</Data>
              {project !== null && (
                <small>
                  <Name>{project}</Name>
                </small>
              )}
            </div>
          ),
        },
        {
          head: "State",
          keep: true,
          cell: ({ state, attempts, maxAttempts }) => (
            <div className={css.stacked}>
              <Badge tone={tones[state] ?? "plain"} dot>
                {state}
              </Badge>
              {attempts > 1 && <small>{`attempt ${attempts} of ${maxAttempts}`}</small>}
            </div>
          ),
        },
        { head: "Progress", width: "100%", long: true, cell: (task) => <Progress task={task} /> },
        { head: "Created", number: true, cell: ({ createdAt }) => <Ago at={createdAt} /> },
        { head: "Took", number: true, cell: took },
        {
          head: <span className="visually-hidden">Actions</span>,
          number: true,
          cell: (task) => <Cancel task={task} />,
        },
      ]}
    />
  );
}

function Progress({ task: { state, kind, progress, error } }: { readonly task: Task }): ReactNode {
  if (error !== null) return <Name>{error}</Name>;
  if (progress === null) return "–";
  return (
    <div style={{ display: "grid", gap: 4 }}>
      <span>{progress.text}</span>
      {state === "running" && <Meter label={kind} done={progress.done} total={progress.total} />}
    </div>
  );
}

function took({ startedAt, endedAt }: Task): string {
  if (startedAt === null || endedAt === null) return "–";
  return duration(Date.parse(endedAt) - Date.parse(startedAt));
}

function Cancel({ task: { id, kind, state } }: { readonly task: Task }): ReactNode {
  const client = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => ask<Task>(path`/api/v1/tasks/${id}/cancel`, { method: "POST" }),
    onSuccess: () => tell("The task is cancelled."),
    onError: tellFailure,
    onSettled: () => client.invalidateQueries({ queryKey: ["tasks"] }),
  });
  if (state !== "running" && state !== "queued") return null;
  return (
    <Button small aria-label={`Cancel ${kind}`} disabled={cancel.isPending} onClick={() => cancel.mutate()}>
      Cancel
    </Button>
  );
}

function RunningQueries(): ReactNode {
  const { data } = useQuery({ ...queriesQuery, refetchInterval: 2_000 });
  if (data === undefined || data.queries.length === 0) return null;
  return (
    <Card title="Queries that run" flush>
      <DataTable
        label="Queries that run"
        rows={data.queries}
        keyOf={({ queryId }) => queryId}
        columns={[
          {
            head: "Statement",
            width: "50%",
            cell: ({ sql }) => <Data>{sql.length > 300 ? `${sql.slice(0, 300)}…` : sql}</Data>,
          },
          { head: "User", cell: ({ user }) => <Name>{user}</Name> },
          { head: "State", cell: ({ state }) => <Badge tone="accent">{state}</Badge> },
          { head: "For", number: true, cell: ({ elapsedMs }) => duration(elapsedMs) },
          {
            head: <span className="visually-hidden">Actions</span>,
            number: true,
            cell: (query) => <CancelQuery query={query} />,
          },
        ]}
      />
    </Card>
  );
}

function CancelQuery({ query: { queryId } }: { readonly query: Query }): ReactNode {
  const client = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => ask<unknown>(path`/api/v1/sql/${queryId}`, { method: "DELETE" }),
    onError: tellFailure,
    onSettled: () => client.invalidateQueries({ queryKey: ["queries"] }),
  });
  return (
    <Button small disabled={cancel.isPending} onClick={() => cancel.mutate()}>
      Cancel
    </Button>
  );
}
