import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { LineageEdge, LineageNode } from "../../api/types.ts";
import { Badge, Card, DataTable, EmptyState, Name } from "../../design/display.tsx";
import { compact, perSecond } from "../../design/format.ts";
import { pathOf } from "./graph-view.tsx";
import css from "./lineage.module.css";
import { behindText, isBehind, shortly, toneOf } from "./states.ts";

/** The graph in words: each node with what it reads. */
export function NodeTable({
  nodes,
  edges,
  rates,
}: {
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
  readonly rates: ReadonlyMap<string, number>;
}): ReactNode {
  const names = new Map(nodes.map((node) => [node.id, pathOf(node)]));
  const inputs = Map.groupBy(edges, ({ to }) => to);
  const rateOf = (node: LineageNode) => (node.kind === "lookup" ? 0 : (rates.get(pathOf(node)) ?? 0));
  if (nodes.length === 0) return <EmptyState title="Nothing is called so" />;
  return (
    <Card flush>
      <DataTable
        label="Datasets and lookups, with what they read"
        rows={nodes}
        keyOf={({ id }) => id}
        columns={[
          {
            head: "Name",
            long: true,
            cell: (node) => (
              <>
                <NodeName node={node} />
                <small className={css.kind}>{node.kind === "root" ? "from outside" : node.kind}</small>
              </>
            ),
          },
          {
            head: "State",
            keep: true,
            cell: ({ state }) =>
              state === null ? (
                ""
              ) : (
                <Badge dot tone={toneOf(state)}>
                  {state}
                </Badge>
              ),
          },
          {
            head: "Reads",
            long: true,
            cell: ({ id }) => (
              <Name>
                {(inputs.get(id) ?? []).map(({ from }) => names.get(from) ?? from.replace(/^\w+:/, "")).join(", ")}
              </Name>
            ),
          },
          { head: "Now", number: true, cell: (node) => (rateOf(node) > 0 ? `${perSecond(rateOf(node))}/s` : "") },
          { head: "Rows", number: true, cell: ({ rows }) => compact(rows) },
          {
            head: "Behind",
            number: true,
            cell: ({ behindRows, behindMs }) => (
              <span title={behindText(behindRows, behindMs) ?? ""}>
                {isBehind(behindRows, behindMs) ? shortly(behindMs ?? 0) : ""}
              </span>
            ),
          },
        ]}
      />
    </Card>
  );
}

function NodeName({ node }: { readonly node: LineageNode }): ReactNode {
  const { kind, project, name } = node;
  return kind === "lookup" ? (
    <Link to="/lookups/$project/$lookup" params={{ project, lookup: name }}>
      <Name>{pathOf(node)}</Name>
    </Link>
  ) : (
    <Link to="/datasets/$project/$dataset" params={{ project, dataset: name }}>
      <Name>{pathOf(node)}</Name>
    </Link>
  );
}
