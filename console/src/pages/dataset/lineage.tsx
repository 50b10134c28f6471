import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { datasetLineageQuery } from "../../api/queries.ts";
import { useRates } from "../../api/rates.ts";
import type { DatasetLineage as Found } from "../../api/types.ts";
import { Card, DataTable, EmptyState, ErrorPanel, MillraceCommand, Name, SkeletonRows } from "../../design/display.tsx";
import { GraphView, type NodeLinkProps } from "../lineage/graph-view.tsx";
import css from "../lineage/lineage.module.css";
import { shownGraph } from "../lineage/shown.ts";
import { usePlace } from "./place.ts";

/** What a dataset comes of, and what comes of it: datasets as a graph, columns as a list. */
export function DatasetLineage(): ReactNode {
  const { project, dataset } = usePlace();
  const { data, error, isPending, refetch } = useQuery(datasetLineageQuery(project, dataset));
  const rates = useRates();
  if (error !== null) return <ErrorPanel error={error} again={() => void refetch()} />;
  if (isPending) return <SkeletonRows rows={6} height={28} />;
  const id = `dataset:${project}.${dataset}`;
  const { nodes, edges } = shownGraph(data, { focus: id });
  return (
    <>
      <Card
        flush
        title="What it comes of, and what comes of it"
        actions={
          <Link to="/lineage" search={{ project, pick: id }}>
            All of the project
          </Link>
        }
      >
        {edges.length === 0 ? (
          <EmptyState title="Nothing is made of it yet">
            <p>
              A SELECT over it becomes a dataset, or a lookup, by "Keep this query" in the workbench. By a statement:
            </p>
            <MillraceCommand
              args={`sql "CREATE DATASET ${project}.a_name AS SELECT * FROM ${project}.${dataset} WHERE ..."`}
            />
          </EmptyState>
        ) : (
          <GraphView nodes={nodes} edges={edges} rates={rates} chosen={id} NodeLink={GoLink} />
        )}
      </Card>
      {data.columns.length > 0 && <Columns columns={data.columns} />}
    </>
  );
}

/** A node of a dataset's graph leads to its own. */
function GoLink({ node: { kind, project, name }, className, children }: NodeLinkProps): ReactNode {
  return kind === "lookup" ? (
    <Link to="/lookups/$project/$lookup" params={{ project, lookup: name }} className={className}>
      {children}
    </Link>
  ) : (
    <Link
      to="/datasets/$project/$dataset/lineage"
      params={{ project, dataset: name }}
      className={className}
      draggable={false}
    >
      {children}
    </Link>
  );
}

function Columns({ columns }: { readonly columns: Found["columns"] }): ReactNode {
  return (
    <Card flush title="Columns">
      <DataTable
        label="Columns and what they are computed of"
        rows={columns}
        keyOf={({ name }) => name}
        columns={[
          { head: "Column", cell: ({ name }) => <Name>{name}</Name> },
          { head: "Computed of", long: true, cell: ({ from }) => <Sources from={from} /> },
        ]}
      />
    </Card>
  );
}

function Sources({ from }: { readonly from: Found["columns"][number]["from"] }): ReactNode {
  if (from === null) return <span className={css.unknown}>the SELECT does not tell, or what you may not read</span>;
  if (from.length === 0) return <span className={css.unknown}>no column: a constant, or a count of rows</span>;
  return (
    <ul className={css.lone}>
      {from.map(({ project, dataset, column }) => (
        <li key={`${project}.${dataset}.${column}`}>
          <Link to="/datasets/$project/$dataset/schema" params={{ project, dataset }} search={{ column }}>
            <Name>{`${project}.${dataset}.${column}`}</Name>
          </Link>
        </li>
      ))}
    </ul>
  );
}
