import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { projectsQuery } from "../../api/queries.ts";
import { sessionQuery } from "../../api/session.ts";
import { Select } from "../../design/controls.tsx";
import { Card, EmptyState, ErrorPanel, Page, SkeletonRows } from "../../design/display.tsx";
import css from "./access.module.css";
import { Grants } from "./grants.tsx";
import { Tokens } from "./tokens.tsx";
import { Users } from "./users.tsx";

/** Who may do what: users and their tokens, roles and grants of a project. */
export function AccessPage(): ReactNode {
  const { data: session } = useQuery(sessionQuery);
  const who = session?.who;
  if (who == null) return null;
  return (
    <Page
      title="Access"
      about="Everything is denied until a role or a grant allows it. Owners of the organization may do everything."
    >
      <Tokens user={who.user} />
      {who.isOwner && <Users me={who.user} />}
      <ProjectAccess />
    </Page>
  );
}

function ProjectAccess(): ReactNode {
  const { project } = useSearch({ from: "/inside/access" });
  const navigate = useNavigate({ from: "/access" });
  const { data, error, isPending, refetch } = useQuery(projectsQuery);
  const names = data?.resources.map(({ name }) => name) ?? [];
  const chosen = project ?? names[0];
  const choose = (
    <Select
      aria-label="Project"
      className={css.project}
      value={chosen ?? ""}
      onChange={({ target }) => void navigate({ search: { project: target.value }, replace: true })}
    >
      {names.map((name) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </Select>
  );
  return (
    <Card title="Project" actions={names.length > 0 ? choose : undefined} flush>
      {isPending && <SkeletonRows rows={3} />}
      {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
      {data !== undefined && chosen === undefined && (
        <EmptyState title="No project yet">
          <p>A project is made with its first dataset, and its roles are given here.</p>
        </EmptyState>
      )}
      {chosen !== undefined && <Grants project={chosen} />}
    </Card>
  );
}
