import { type KeyboardEvent, type ReactNode, useEffect, useMemo } from "react";
import type { LineageEdge, LineageNode } from "../../api/types.ts";
import { IconButton } from "../../design/controls.tsx";
import { Name } from "../../design/display.tsx";
import { compact, perSecond } from "../../design/format.ts";
import { Icon, type IconName } from "../../design/icon.tsx";
import { join } from "../../design/join.ts";
import css from "./graph.module.css";
import { type LaidOut, layOut, nodeSize, type Point, type Route } from "./layout.ts";
import { isBehind, readsText, shortly, toneOf } from "./states.ts";
import { useCanvas } from "./use-canvas.ts";

const icons: Readonly<Record<LineageNode["kind"], IconName>> = {
  root: "dataset",
  derivative: "lineage",
  lookup: "key",
};

export interface NodeLinkProps {
  readonly node: LineageNode;
  readonly className: string;
  readonly children: ReactNode;
}

/**
 * A graph from left to right, to be looked at in any size: it scrolls, zooms, and is dragged. Every node is a link; the arrow keys go
 * along the edges and up and down between neighbours.
 */
export function GraphView({
  nodes,
  edges,
  rates,
  folded,
  chosen = null,
  lit = null,
  NodeLink,
}: {
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
  /** Rows a second by `project.dataset`. */
  readonly rates: ReadonlyMap<string, number>;
  readonly folded?: ReadonlyMap<string, number>;
  readonly chosen?: string | null;
  /** Nodes that are meant; the others stand back. null: all. */
  readonly lit?: ReadonlySet<string> | null;
  readonly NodeLink: (props: NodeLinkProps) => ReactNode;
}): ReactNode {
  const shape = JSON.stringify([nodes.map(({ id }) => id), edges.map(({ from, to }) => [from, to])]);
  // Figures change all the time; where things stand does not.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the text says all that the layout depends on
  const laid = useMemo(
    () =>
      layOut(
        nodes.map(({ id }) => id),
        edges,
      ),
    [shape],
  );
  const { canvas, scale, zoom, fit } = useCanvas(laid, middleOf(laid, chosen));
  const byId = useMemo(() => new Map(nodes.map((node) => [node.id, node])), [nodes]);
  const inputs = useMemo(() => Map.groupBy(edges, ({ to }) => to), [edges]);
  const rateOf = (id: string) => {
    const node = byId.get(id);
    return node === undefined || node.kind === "lookup" ? 0 : (rates.get(pathOf(node)) ?? 0);
  };
  const isLit = (id: string) => lit === null || lit.has(id);
  // biome-ignore lint/correctness/useExhaustiveDependencies: chosen elsewhere, it may be out of sight
  useEffect(() => {
    if (chosen === null) return;
    const node = canvas.current?.querySelector(`[data-node="${CSS.escape(chosen)}"]`);
    node?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [chosen]);

  return (
    <div className={css.frame}>
      <section
        ref={canvas}
        className={css.canvas}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        tabIndex={0}
        aria-label="Graph: inputs on the left, what is made of them on the right"
        onKeyDown={(event) => moveAlong(event, laid, edges)}
      >
        <div className={css.sized} style={{ width: laid.width * scale, height: laid.height * scale }}>
          <div className={css.scaled} style={{ width: laid.width, height: laid.height, transform: `scale(${scale})` }}>
            <svg width={laid.width} height={laid.height} aria-hidden="true" className={css.edges}>
              {laid.routes.map((route, at) => (
                <EdgeLine
                  key={`${route.from} ${route.to}`}
                  route={route}
                  edge={edges[at]}
                  rate={rateOf(route.from)}
                  isLit={isLit(route.from) && isLit(route.to)}
                  isShared={(inputs.get(route.to)?.length ?? 0) > 1}
                />
              ))}
            </svg>
            {nodes.map((node) => {
              const place = laid.places.get(node.id);
              const reads = (inputs.get(node.id) ?? []).map(({ from }) => nameOf(byId.get(from)));
              return (
                place && (
                  <div
                    key={node.id}
                    data-node={node.id}
                    className={join(css.node, css[toneOf(node.state)], !isLit(node.id) && css.back)}
                    data-chosen={node.id === chosen}
                    style={{ left: place.x, top: place.y, width: nodeSize.width, height: nodeSize.height }}
                  >
                    <NodeLink node={node} className={css.link ?? ""}>
                      <NodeFace node={node} rate={rateOf(node.id)} folded={folded?.get(node.id) ?? 0} />
                      <span className="visually-hidden">{readsText(reads)}</span>
                    </NodeLink>
                  </div>
                )
              );
            })}
          </div>
        </div>
      </section>
      <div className={css.zoom}>
        <IconButton small look="plain" icon="plus" label="Larger" onClick={() => zoom(1.25)} />
        <IconButton small look="plain" icon="minus" label="Smaller" onClick={() => zoom(0.8)} />
        <IconButton small look="plain" icon="fit" label="All of it" onClick={fit} />
      </div>
    </div>
  );
}

export const pathOf = ({ project, name }: Pick<LineageNode, "project" | "name">): string => `${project}.${name}`;
const nameOf = (node: LineageNode | undefined) => (node === undefined ? "" : pathOf(node));

function NodeFace({
  node,
  rate,
  folded,
}: {
  readonly node: LineageNode;
  readonly rate: number;
  readonly folded: number;
}): ReactNode {
  const entries = node.kind === "lookup" ? "entries" : "rows";
  return (
    <>
      <span className={css.title}>
        <Icon name={icons[node.kind]} size={14} />
        <span className={css.path}>
          <small>
            <Name>{node.project}</Name>.
          </small>
          <Name>{node.name}</Name>
        </span>
        {folded > 0 && <span className={css.folded}>+{folded}</span>}
      </span>
      <span className={css.facts}>
        <span className={css.state}>{node.kind === "root" ? "from outside" : node.state}</span>
        {isBehind(node.behindRows, node.behindMs) ? (
          <span className={css.late}>{shortly(node.behindMs ?? 0)} behind</span>
        ) : (
          <span className={join(rate > 0 && css.flowing)}>
            {rate > 0 ? `${perSecond(rate)} rows/s` : `${compact(node.rows)} ${entries}`}
          </span>
        )}
      </span>
    </>
  );
}

function EdgeLine({
  route,
  edge,
  rate,
  isLit,
  isShared,
}: {
  readonly route: Route;
  readonly edge: LineageEdge | undefined;
  readonly rate: number;
  readonly isLit: boolean;
  /** Other edges end where it ends: it is told about nearer to where it begins. */
  readonly isShared: boolean;
}): ReactNode {
  const isLate = edge !== undefined && isBehind(edge.behindRows, edge.behindMs);
  const text = isLate ? `${compact(edge?.behindRows ?? 0)} wait` : rate > 0 ? `${perSecond(rate)}/s` : null;
  const [before, last] = [route.points.at(-2), route.points.at(-1)];
  const at = before && last && along(before, last, isShared ? 0.32 : 0.68);
  return (
    <g className={join(css.edge, rate > 0 && css.edgeFlowing, isLate && css.edgeBehind, !isLit && css.back)}>
      <path d={pathText(route.points)} />
      {last && <path d={`M${last.x - 7},${last.y - 4} L${last.x - 1},${last.y} L${last.x - 7},${last.y + 4}`} />}
      {text !== null && at && (
        <>
          <rect x={at.x - text.length * 3.4 - 5} y={at.y - 9} width={text.length * 6.8 + 10} height={18} rx={9} />
          <text x={at.x} y={at.y + 4} textAnchor="middle">
            {text}
          </text>
        </>
      )}
    </g>
  );
}

/** A point of the curve between two. */
function along(from: Point, to: Point, part: number): Point {
  const bend = 3 * part * (1 - part) * 0.5;
  const x = (1 - part) ** 3 * from.x + bend * (from.x + to.x) + part ** 3 * to.x;
  const eased = part * part * (3 - 2 * part);
  return { x, y: from.y + (to.y - from.y) * eased };
}

/** Curves between layers, and straight through where it passes one. */
function pathText(points: readonly Point[]): string {
  return points
    .map(({ x, y }, at) => {
      const before = points[at - 1];
      if (before === undefined) return `M${x},${y}`;
      if (before.y === y) return `L${x},${y}`;
      const bend = (x - before.x) / 2;
      return `C${before.x + bend},${before.y} ${x - bend},${y} ${x},${y}`;
    })
    .join(" ");
}

/** Where one begins to look: at the chosen node, or at an input in the middle of all inputs. */
function middleOf({ places }: LaidOut, chosen: string | null): Point {
  const inputs = [...places.values()].filter(({ layer }) => layer === 0).sort((a, b) => a.y - b.y);
  const place = places.get(chosen ?? "") ?? inputs[inputs.length >> 1] ?? { x: 0, y: 0 };
  return { x: place.x + nodeSize.width / 2, y: place.y + nodeSize.height / 2 };
}

/** To an input, to what is made of it, or to the next in its layer. */
function moveAlong(event: KeyboardEvent<HTMLElement>, { places }: LaidOut, edges: readonly LineageEdge[]): void {
  const node = event.target instanceof HTMLElement ? event.target.closest("[data-node]") : null;
  if (!(node instanceof HTMLElement)) return;
  const id = node.dataset.node ?? "";
  const here = places.get(id);
  if (here === undefined) return;
  const near = (ids: readonly string[]) =>
    ids.toSorted((a, b) => distance(places.get(a)?.y, here.y) - distance(places.get(b)?.y, here.y))[0];
  const layer = [...places].filter(([, { layer: its }]) => its === here.layer).sort(([, a], [, b]) => a.y - b.y);
  const index = layer.findIndex(([one]) => one === id);
  const next = (): string | undefined => {
    switch (event.key) {
      case "ArrowLeft":
        return near(edges.filter(({ to }) => to === id).map(({ from }) => from));
      case "ArrowRight":
        return near(edges.filter(({ from }) => from === id).map(({ to }) => to));
      case "ArrowUp":
        return layer[index - 1]?.[0];
      case "ArrowDown":
        return layer[index + 1]?.[0];
      default:
        return undefined;
    }
  };
  if (!event.key.startsWith("Arrow")) return;
  event.preventDefault();
  const to = next();
  if (to === undefined) return;
  const link = event.currentTarget.querySelector(`[data-node="${CSS.escape(to)}"] a`);
  if (link instanceof HTMLElement) link.focus();
}

const distance = (one: number | undefined, other: number) => Math.abs((one ?? 0) - other);
