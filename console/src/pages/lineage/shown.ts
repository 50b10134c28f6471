import type { Lineage, LineageEdge, LineageNode } from "../../api/types.ts";

export interface ShownGraph {
  readonly nodes: readonly LineageNode[];
  readonly edges: readonly LineageEdge[];
  /** Datasets that no transform and no lookup reads, and that are made of none. */
  readonly lone: readonly LineageNode[];
  /** How many are folded away behind a node. */
  readonly folded: ReadonlyMap<string, number>;
}

/** What of a graph is to be drawn: all, or the kin of one; without what is folded away. */
export function shownGraph(
  { nodes, edges }: Pick<Lineage, "nodes" | "edges">,
  { focus = null, folds = new Set() }: { readonly focus?: string | null; readonly folds?: ReadonlySet<string> } = {},
): ShownGraph {
  const tied = new Set(edges.flatMap(({ from, to }) => [from, to]));
  const kin = focus !== null && nodes.some(({ id }) => id === focus) ? kinOf(focus, edges) : null;
  const among = nodes.filter(({ id }) => (kin === null ? tied.has(id) : kin.has(id)));
  const seen = unfolded(among, edges, folds);
  const shown = among.filter(({ id }) => seen.has(id));
  const within = new Set(among.map(({ id }) => id));
  const folded = new Map(
    shown
      .filter(({ id }) => folds.has(id))
      .map(({ id }) => [id, reached(id, edges, "to").filter((one) => within.has(one) && !seen.has(one)).length]),
  );
  return {
    nodes: shown,
    edges: edges.filter(({ from, to }) => seen.has(from) && seen.has(to)),
    lone: kin === null ? nodes.filter(({ id }) => !tied.has(id)) : [],
    folded,
  };
}

/** A node, all that it comes of, and all that comes of it. */
export function kinOf(id: string, edges: readonly LineageEdge[]): ReadonlySet<string> {
  return new Set([id, ...reached(id, edges, "from"), ...reached(id, edges, "to")]);
}

/** What can be reached from a node along the edges, or against them. */
export function reached(id: string, edges: readonly LineageEdge[], side: "from" | "to"): string[] {
  const next = Map.groupBy(edges, (edge) => (side === "to" ? edge.from : edge.to));
  const found = new Set<string>();
  const edge = [id];
  for (let at = edge.pop(); at !== undefined; at = edge.pop()) {
    for (const one of next.get(at) ?? []) {
      if (found.has(one[side])) continue;
      found.add(one[side]);
      edge.push(one[side]);
    }
  }
  found.delete(id);
  return [...found];
}

/** What has a way from a root that leads through no folded node. */
function unfolded(
  nodes: readonly LineageNode[],
  edges: readonly LineageEdge[],
  folds: ReadonlySet<string>,
): ReadonlySet<string> {
  const ids = new Set(nodes.map(({ id }) => id));
  const within = edges.filter(({ from, to }) => ids.has(from) && ids.has(to));
  const made = new Set(within.map(({ to }) => to));
  const readers = Map.groupBy(within, ({ from }) => from);
  const seen = new Set<string>();
  const edge = nodes.map(({ id }) => id).filter((id) => !made.has(id));
  for (let id = edge.pop(); id !== undefined; id = edge.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    if (!folds.has(id)) edge.push(...(readers.get(id) ?? []).map(({ to }) => to));
  }
  return seen;
}
