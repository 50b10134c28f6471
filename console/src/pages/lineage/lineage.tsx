import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { lineageQuery, projectsQuery } from "../../api/queries.ts";
import { useRates } from "../../api/rates.ts";
import type { Lineage as LineageGraph, LineageNode } from "../../api/types.ts";
import { Button, SearchInput, Segments, Select } from "../../design/controls.tsx";
import { Card, EmptyState, ErrorPanel, MillraceCommand, Name, Page, SkeletonRows } from "../../design/display.tsx";
import { count } from "../../design/format.ts";
import { GraphView, type NodeLinkProps, pathOf } from "./graph-view.tsx";
import css from "./lineage.module.css";
import { NodePanel } from "./node-panel.tsx";
import { NodeTable } from "./node-table.tsx";
import { kinOf, shownGraph } from "./shown.ts";

const route = "/inside/lineage";

/** What is made of what, how fast it flows and how far it is behind. */
export function Lineage(): ReactNode {
  const { project } = useSearch({ from: route });
  const { data, error, isPending, refetch } = useQuery(lineageQuery(project));
  const derived = data?.nodes.filter(({ kind }) => kind === "derivative").length ?? 0;
  return (
    <Page
      title="Lineage"
      about={
        data === undefined
          ? "What is made of what."
          : `${count(data.nodes.length)} datasets and lookups, ${count(derived)} of them made of others.`
      }
      actions={<ProjectChoice />}
    >
      {error !== null && <ErrorPanel error={error} again={() => void refetch()} />}
      {isPending && <SkeletonRows rows={8} height={28} />}
      {data !== undefined && (data.edges.length === 0 ? <NothingDerived /> : <Graph lineage={data} />)}
    </Page>
  );
}

function ProjectChoice(): ReactNode {
  const { project = "" } = useSearch({ from: route });
  const navigate = useNavigate();
  const { data } = useQuery(projectsQuery);
  const names = (data?.resources ?? []).map(({ name }) => name).filter((name) => name !== "system");
  return (
    <Select
      aria-label="Project"
      className={css.project}
      value={project}
      onChange={({ target }) =>
        void navigate({ to: "/lineage", search: target.value === "" ? {} : { project: target.value } })
      }
    >
      <option value="">All projects</option>
      {names.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </Select>
  );
}

function NothingDerived(): ReactNode {
  return (
    <Card>
      <EmptyState title="Nothing is made of anything yet">
        <p>A SELECT in the workbench becomes a dataset by "Keep this query"; or by a statement:</p>
        <MillraceCommand args={'sql "CREATE DATASET web.errors AS SELECT * FROM web.requests WHERE status >= 500"'} />
      </EmptyState>
    </Card>
  );
}

function Graph({ lineage }: { readonly lineage: LineageGraph }): ReactNode {
  const { view = "graph", find = "", pick = "", focus = "", fold = "", project = "" } = useSearch({ from: route });
  const navigate = useNavigate();
  const rates = useRates();
  const search = { project, view, find, pick, focus, fold };
  const go = (change: Partial<typeof search>, replace = false) =>
    void navigate({ to: "/lineage", search: said({ ...search, ...change }), replace, resetScroll: false });
  const folds = useMemo(() => new Set(fold === "" ? [] : fold.split(" ")), [fold]);
  const shown = useMemo(
    () => shownGraph(lineage, { focus: focus === "" ? null : focus, folds }),
    [lineage, focus, folds],
  );
  const chosen = lineage.nodes.find(({ id }) => id === pick) ?? null;
  const lit = useMemo(() => {
    const words = find.toLowerCase();
    if (words !== "") return new Set(shown.nodes.filter((node) => pathOf(node).includes(words)).map(({ id }) => id));
    return chosen === null ? null : kinOf(chosen.id, shown.edges);
  }, [find, chosen, shown]);
  const focused = lineage.nodes.find(({ id }) => id === focus);

  return (
    <>
      <div className={css.bar}>
        <SearchInput
          label="Find in the graph"
          value={find}
          onChange={({ target }) => go({ find: target.value }, true)}
        />
        <Segments
          label="Shown as"
          value={view === "list" ? "list" : "graph"}
          options={[
            { value: "graph", label: "Graph" },
            { value: "list", label: "List" },
          ]}
          onChange={(value) => go({ view: value })}
        />
        {focused !== undefined && (
          <Button small icon="close" onClick={() => go({ focus: "" })}>
            Only what is joined to <Name>{pathOf(focused)}</Name>
          </Button>
        )}
        {folds.size > 0 && (
          <Button small icon="close" onClick={() => go({ fold: "" })}>
            {folds.size === 1 ? "One is folded" : `${folds.size} are folded`}
          </Button>
        )}
      </div>
      {lineage.truncated && <p className={css.note}>There is more than can be drawn. Choose a project.</p>}
      {view === "list" ? (
        <NodeTable
          nodes={[...shown.nodes, ...shown.lone].filter(
            (node) => find === "" || pathOf(node).includes(find.toLowerCase()),
          )}
          edges={lineage.edges}
          rates={rates}
        />
      ) : (
        <div className={css.split} data-open={chosen !== null}>
          <Card flush className={css.graph ?? ""}>
            <GraphView
              nodes={shown.nodes}
              edges={shown.edges}
              rates={rates}
              folded={shown.folded}
              chosen={pick === "" ? null : pick}
              lit={lit}
              NodeLink={PickLink}
            />
          </Card>
          {chosen !== null && (
            <NodePanel
              node={chosen}
              edges={lineage.edges}
              nodes={lineage.nodes}
              rate={rates.get(pathOf(chosen)) ?? 0}
              isFocused={focus === chosen.id}
              isFolded={folds.has(chosen.id)}
              onPick={(id) => go({ pick: id })}
              onFocus={(isOn) => go({ focus: isOn ? chosen.id : "" })}
              onFold={(isOn) =>
                go({
                  fold: [...(isOn ? folds.union(new Set([chosen.id])) : folds.difference(new Set([chosen.id])))].join(
                    " ",
                  ),
                })
              }
              onClose={() => go({ pick: "" })}
            />
          )}
        </div>
      )}
      {view !== "list" && shown.lone.length > 0 && <Lone nodes={shown.lone} />}
    </>
  );
}

/** A node of the page's graph is chosen by its address. */
function PickLink({ node, className, children }: NodeLinkProps): ReactNode {
  const search = useSearch({ from: route });
  return (
    <Link
      to="/lineage"
      search={{ ...search, pick: node.id }}
      resetScroll={false}
      className={className}
      draggable={false}
    >
      {children}
    </Link>
  );
}

function Lone({ nodes }: { readonly nodes: readonly LineageNode[] }): ReactNode {
  return (
    <Card title={nodes.length === 1 ? "Joined to nothing" : `${count(nodes.length)} joined to nothing`}>
      <ul className={css.lone}>
        {nodes.map(({ id, project, name }) => (
          <li key={id}>
            <Link to="/datasets/$project/$dataset" params={{ project, dataset: name }}>
              <Name>{`${project}.${name}`}</Name>
            </Link>
          </li>
        ))}
      </ul>
    </Card>
  );
}

/** Members that say something. */
function said<Search extends Record<string, string | undefined>>(search: Search): Partial<Search> {
  const given = Object.entries(search).filter(([name, value]) => value && !(name === "view" && value === "graph"));
  return Object.fromEntries(given) as Partial<Search>;
}
