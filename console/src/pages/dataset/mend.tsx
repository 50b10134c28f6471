import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ask, path } from "../../api/client.ts";
import { resourceQuery } from "../../api/queries.ts";
import type { Resource } from "../../api/types.ts";
import { Button } from "../../design/controls.tsx";
import { Card, Data, ErrorPanel, Name, SkeletonRows } from "../../design/display.tsx";
import { tell } from "../../design/overlays.tsx";
import { DeclareType } from "./declare-type.tsx";
import { declaredIn, withType } from "./declared.ts";
import { usePlace } from "./place.ts";
import css from "./quarantine.module.css";

/** The fixes that a dataset itself allows: a column widens without its declaration, or by one. */
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
    mutationFn: ({ name, type }: { readonly name: string; readonly type: string | null }) =>
      ask<unknown>(path`/api/v1/projects/${project}/resources/Dataset/${dataset}`, {
        method: "PUT",
        headers: { "if-match": String(resource.generation) },
        body: { labels: resource.labels, spec: withType(resource.spec, name, type) },
      }),
    async onSuccess(_, { name, type }) {
      await client.invalidateQueries({ queryKey: ["resources"] });
      const what =
        type === null ? "The values say its type from now on." : `${name} becomes ${type} with the next rows.`;
      tell(`${what} Retry the rows.`);
    },
  });
  return (
    <div className={css.mend}>
      <p className={css.advice}>
        {columns.length === 0
          ? "No types are declared: each column has the type of its first rows, and widens to hold wider values."
          : "A declared column takes only values of its type. Without the declaration it widens to hold wider ones."}{" "}
        Rows of another kind go in after their column is declared as a wider type, or as text.
      </p>
      <ul className={css.declared}>
        {columns.map(({ name, type }) => (
          <li key={name}>
            <Name>{name}</Name>
            <Data>{type}</Data>
            <Button small disabled={isPending} onClick={() => mutate({ name, type: null })}>
              Let values widen it
              <span className="visually-hidden">: {name}</span>
            </Button>
          </li>
        ))}
      </ul>
      <DeclareType isBusy={isPending} onDeclare={(name, type) => mutate({ name, type })} />
      {error !== null && <ErrorPanel error={error} />}
    </div>
  );
}
