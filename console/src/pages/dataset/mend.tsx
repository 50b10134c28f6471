import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ask, path } from "../../api/client.ts";
import { resourceQuery } from "../../api/queries.ts";
import type { Resource } from "../../api/types.ts";
import { Button } from "../../design/controls.tsx";
import { Card, Data, ErrorPanel, Name, SkeletonRows } from "../../design/display.tsx";
import { tell } from "../../design/overlays.tsx";
import { usePlace } from "./place.ts";
import css from "./quarantine.module.css";

interface Declared {
  readonly name: string;
  readonly type: string;
}

/** The fix that a dataset itself allows: without its declaration, a column widens to hold what comes. */
export function Mend(): ReactNode {
  const { project, dataset } = usePlace();
  const { data, error, isPending } = useQuery(resourceQuery(project, "Dataset", dataset));
  return (
    <Card title="Declared columns">
      {error !== null && <ErrorPanel error={error} />}
      {isPending && <SkeletonRows rows={2} />}
      {data !== undefined && <Declarations resource={data} />}
    </Card>
  );
}

function Declarations({ resource }: { readonly resource: Resource }): ReactNode {
  const { project, dataset } = usePlace();
  const client = useQueryClient();
  const columns = declaredIn(resource.spec);
  const { mutate, error, isPending } = useMutation({
    mutationFn: (name: string) =>
      ask<unknown>(path`/api/v1/projects/${project}/resources/Dataset/${dataset}`, {
        method: "PUT",
        headers: { "if-match": String(resource.generation) },
        body: { labels: resource.labels, spec: without(resource.spec, name) },
      }),
    async onSuccess() {
      await client.invalidateQueries({ queryKey: ["resources"] });
      tell("The values say its type from now on. Retry the rows.");
    },
  });
  if (columns.length === 0)
    return (
      <p className={css.advice}>
        No types are declared: each column has the type of its first rows, and widens to hold wider values. Rows of
        another kind are to be mended where they come from, and sent anew.
      </p>
    );
  return (
    <div className={css.mend}>
      <p className={css.advice}>
        A declared column takes only values of its type. Without the declaration it widens to hold wider ones.
      </p>
      <ul className={css.declared}>
        {columns.map(({ name, type }) => (
          <li key={name}>
            <Name>{name}</Name>
            <Data>{type}</Data>
            <Button small disabled={isPending} onClick={() => mutate(name)}>
              Let values widen it
              <span className="visually-hidden">: {name}</span>
            </Button>
          </li>
        ))}
      </ul>
      {error !== null && <ErrorPanel error={error} />}
    </div>
  );
}

function declaredIn(spec: unknown): readonly Declared[] {
  const { columns } = (spec ?? {}) as { readonly columns?: readonly Declared[] };
  return columns ?? [];
}

/** The definition with no type for a column; the rest of it stays as it was. */
function without(spec: unknown, name: string): Record<string, unknown> {
  const { columns: _, ...rest } = (spec ?? {}) as Record<string, unknown>;
  const columns = declaredIn(spec).filter((one) => one.name !== name);
  return columns.length === 0 ? rest : { ...rest, columns };
}
