import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { ask, path } from "../../api/client.ts";
import type { Grant } from "../../api/types.ts";
import { Button, Field, Input, Select } from "../../design/controls.tsx";
import { Badge, DataTable, EmptyState, ErrorPanel, Name, SkeletonRows } from "../../design/display.tsx";
import { tellFailure } from "../../design/overlays.tsx";
import css from "./access.module.css";
import { grantsQuery } from "./queries.ts";

const roles = ["viewer", "editor", "owner"] as const;
const privileges = ["select", "insert", "alter", "admin"] as const;

/** Roles and grants of one project. */
export function Grants({ project }: { readonly project: string }): ReactNode {
  const { data, error, isPending, refetch } = useQuery(grantsQuery(project));
  if (isPending) return <SkeletonRows rows={3} />;
  if (error !== null) return <ErrorPanel error={error} again={() => void refetch()} />;
  return (
    <>
      {data.grants.length === 0 ? (
        <EmptyState title="Nobody but the organization's owners may see this project">
          <p>Give somebody a role, or one privilege on one dataset.</p>
        </EmptyState>
      ) : (
        <DataTable
          label={`Grants of ${project}`}
          rows={data.grants}
          keyOf={(grant) => JSON.stringify(grant)}
          columns={[
            { head: "User", cell: ({ user }) => <Name>{user}</Name> },
            {
              head: "May",
              cell: (grant) => <Badge tone="accent">{grant.kind === "role" ? grant.role : grant.privilege}</Badge>,
            },
            {
              head: "On",
              cell: (grant) => (grant.kind === "role" ? "the whole project" : <Name>{grant.dataset}</Name>),
            },
            {
              head: <span className="visually-hidden">Actions</span>,
              number: true,
              cell: (grant) => <TakeBack project={project} grant={grant} />,
            },
          ]}
        />
      )}
      <Give project={project} />
    </>
  );
}

function useChange(project: string): {
  change: (url: string, method: "PUT" | "DELETE", body?: unknown) => void;
  isBusy: boolean;
} {
  const client = useQueryClient();
  const { mutate, isPending } = useMutation({
    mutationFn: ({ url, method, body }: { url: string; method: "PUT" | "DELETE"; body?: unknown }) =>
      ask<void>(url, { method, body }),
    onError: tellFailure,
    onSettled: () => client.invalidateQueries({ queryKey: ["access", "grants", project] }),
  });
  return { change: (url, method, body) => mutate({ url, method, body }), isBusy: isPending };
}

const privilegeUrl = (project: string, dataset: string, user: string, privilege: string): string =>
  path`/api/v1/projects/${project}/datasets/${dataset}/grants/${user}/${privilege}`;

function TakeBack({ project, grant }: { readonly project: string; readonly grant: Grant }): ReactNode {
  const { change, isBusy } = useChange(project);
  const take = () => {
    if (grant.kind === "role") change(path`/api/v1/projects/${project}/members/${grant.user}`, "PUT", { role: null });
    else
      change(
        privilegeUrl(project, grant.dataset.slice(grant.dataset.indexOf(".") + 1), grant.user, grant.privilege),
        "DELETE",
      );
  };
  return (
    <Button small disabled={isBusy} aria-label={`Take back from ${grant.user}`} onClick={take}>
      Take back
    </Button>
  );
}

function Give({ project }: { readonly project: string }): ReactNode {
  const { change, isBusy } = useChange(project);
  const [user, setUser] = useState("");
  const [what, setWhat] = useState<string>("viewer");
  const [dataset, setDataset] = useState("");
  const isRole = (roles as readonly string[]).includes(what);
  const give = (event: FormEvent) => {
    event.preventDefault();
    if (isRole) change(path`/api/v1/projects/${project}/members/${user}`, "PUT", { role: what });
    else change(privilegeUrl(project, dataset, user, what), "PUT");
  };
  return (
    <form className={css.line} onSubmit={give}>
      <Field label="User">
        {(tie) => (
          <Input {...tie} value={user} onChange={({ target }) => setUser(target.value)} required autoComplete="off" />
        )}
      </Field>
      <Field label="May">
        {(tie) => (
          <Select {...tie} value={what} onChange={({ target }) => setWhat(target.value)}>
            <optgroup label="Role in the project">
              {roles.map((role) => (
                <option key={role}>{role}</option>
              ))}
            </optgroup>
            <optgroup label="Privilege on one dataset">
              {privileges.map((privilege) => (
                <option key={privilege}>{privilege}</option>
              ))}
            </optgroup>
          </Select>
        )}
      </Field>
      {!isRole && (
        <Field label="Dataset">
          {(tie) => (
            <Input
              {...tie}
              value={dataset}
              onChange={({ target }) => setDataset(target.value)}
              required
              autoComplete="off"
            />
          )}
        </Field>
      )}
      <Button type="submit" disabled={isBusy}>
        Give
      </Button>
    </form>
  );
}
