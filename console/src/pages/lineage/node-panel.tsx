import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { LineageEdge, LineageNode } from "../../api/types.ts";
import { Button, buttonClass, IconButton } from "../../design/controls.tsx";
import { Badge, Card, Facts, Name } from "../../design/display.tsx";
import { compact, perSecond } from "../../design/format.ts";
import { Ago } from "../../design/time.tsx";
import { pathOf } from "./graph-view.tsx";
import css from "./lineage.module.css";
import { reached } from "./shown.ts";
import { behindText, toneOf } from "./states.ts";

/** What is known of the chosen node, and where one can go from it. */
export function NodePanel({
  node,
  nodes,
  edges,
  rate,
  isFocused,
  isFolded,
  onPick,
  onFocus,
  onFold,
  onClose,
}: {
  readonly node: LineageNode;
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
  readonly rate: number;
  readonly isFocused: boolean;
  readonly isFolded: boolean;
  readonly onPick: (id: string) => void;
  readonly onFocus: (isOn: boolean) => void;
  readonly onFold: (isOn: boolean) => void;
  readonly onClose: () => void;
}): ReactNode {
  const behind = reached(node.id, edges, "to").length;
  return (
    <Card
      title={<Name>{node.name}</Name>}
      actions={<IconButton small icon="close" label="Close" onClick={onClose} />}
      aria-label={`About ${pathOf(node)}`}
    >
      <div className={css.panel}>
        <div className={css.buttons}>
          <OpenNode node={node} />
          <Button small onClick={() => onFocus(!isFocused)}>
            {isFocused ? "Show all again" : "Only its kin"}
          </Button>
          {behind > 0 && (
            <Button small onClick={() => onFold(!isFolded)}>
              {isFolded ? "Unfold" : `Fold ${behind} behind it`}
            </Button>
          )}
        </div>
        <Facts facts={factsOf(node, rate)} />
        {node.problem !== null && (
          <p className={css.problem}>
            <Name>{node.problem}</Name>
          </p>
        )}
        <Neighbours title="Reads" node={node} nodes={nodes} edges={edges} side="from" onPick={onPick} />
        <Neighbours title="Read by" node={node} nodes={nodes} edges={edges} side="to" onPick={onPick} />
      </div>
    </Card>
  );
}

function OpenNode({ node: { kind, project, name } }: { readonly node: LineageNode }): ReactNode {
  const className = buttonClass({ look: "primary", small: true });
  return kind === "lookup" ? (
    <Link to="/lookups/$project/$lookup" params={{ project, lookup: name }} className={className}>
      Open the lookup
    </Link>
  ) : (
    <Link to="/datasets/$project/$dataset" params={{ project, dataset: name }} className={className}>
      Open the dataset
    </Link>
  );
}

function factsOf(node: LineageNode, rate: number): (readonly [string, ReactNode])[] {
  const isLookup = node.kind === "lookup";
  return [
    ["Project", <Name key="p">{node.project}</Name>],
    [
      "State",
      node.state === null ? (
        "from outside"
      ) : (
        <Badge key="s" dot tone={toneOf(node.state)}>
          {node.state}
        </Badge>
      ),
    ],
    ...(node.mode === null ? [] : [["Mode", node.mode] as const]),
    [isLookup ? "Entries" : "Rows", compact(node.rows)],
    ...(isLookup ? [] : [["Now", `${perSecond(rate)} rows/s`] as const]),
    ...(node.lastCommitAt === null ? [] : [["Last commit", <Ago key="c" at={node.lastCommitAt} />] as const]),
    ...(node.kind === "root"
      ? []
      : [["Behind", behindText(node.behindRows, node.behindMs) ?? "nothing waits"] as const]),
  ];
}

function Neighbours({
  title,
  node,
  nodes,
  edges,
  side,
  onPick,
}: {
  readonly title: string;
  readonly node: LineageNode;
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
  readonly side: "from" | "to";
  readonly onPick: (id: string) => void;
}): ReactNode {
  const near = edges.filter((edge) => (side === "from" ? edge.to : edge.from) === node.id);
  if (near.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <ul className={css.links}>
        {near.map((edge) => {
          const other = nodes.find(({ id }) => id === edge[side]);
          return (
            other && (
              <li key={other.id}>
                <Button look="quiet" small onClick={() => onPick(other.id)}>
                  <Name>{pathOf(other)}</Name>
                </Button>
                <small>{behindText(edge.behindRows, edge.behindMs)}</small>
              </li>
            )
          );
        })}
      </ul>
    </section>
  );
}
