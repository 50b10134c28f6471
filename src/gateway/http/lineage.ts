import { z } from "zod";
import { asMillraceError, formatDatasetPath } from "../../base/index.ts";
import type { Principal } from "./access-contract.ts";
import type { DatasetRef, HeldLookup, InputProgress, Rooms } from "./contract.ts";
import { count, datasetParams, findDataset, project, timeOrNull } from "./parts.ts";
import { type HttpRoute, jsonRoute } from "./route.ts";
import { datasetLineageView, lineageView } from "./views.ts";

const tag = "lineage";
const mostNodes = 2_000;
/** Of the graph's datasets, looked at together. */
const atOnce = 16;
/** Of a list, asked for together. */
const pageSize = 500;

type Node = z.infer<typeof lineageView>["nodes"][number];
type Edge = z.infer<typeof lineageView>["edges"][number];
type Column = z.infer<typeof datasetLineageView>["columns"][number];
type Direction = "up" | "down";

/** What is made of what. What the caller may not read is left out, and nothing is looked for behind it. */
export function lineageRoutes<Format>(rooms: Rooms<Format>): HttpRoute[] {
  const { access, datasets } = rooms;
  const limit = count(mostNodes, 500);
  return [
    jsonRoute({
      method: "GET",
      path: "/api/v1/lineage",
      summary: "Which dataset is made of which, of a project and its neighbours or of all that you may read",
      tag,
      query: z.strictObject({ project: project.optional(), limit }),
      reply: lineageView,
      async handle({ query, principal, signal }) {
        const scope = query.project ?? null;
        if (scope !== null) await access.authorize(principal, "project.view", { project: scope });
        const walk = new LineageWalk(rooms, principal, query.limit);
        for await (const ref of readable(rooms, principal, scope)) if (!walk.begin(ref)) break;
        await walk.widen(1);
        return await walk.graph(signal);
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/projects/{project}/datasets/{dataset}/lineage",
      summary: "What a dataset comes of, column by column, and what comes of it",
      tag,
      params: datasetParams,
      query: z.strictObject({ depth: count(100, 5), limit }),
      reply: datasetLineageView,
      async handle({ params, query, principal, signal }) {
        await access.authorize(principal, "dataset.select", { dataset: params });
        const ref = await findDataset(datasets, params);
        const walk = new LineageWalk(rooms, principal, query.limit);
        walk.begin(ref);
        await walk.widen(query.depth);
        return { ...(await walk.graph(signal)), columns: await walk.columns(ref, signal) };
      },
    }),
  ];
}

/** The datasets that somebody may read; without a project, of all but the platform's own. */
async function* readable<Format>(
  { access, datasets }: Rooms<Format>,
  principal: Principal,
  scope: z.output<typeof project> | null,
): AsyncGenerator<DatasetRef> {
  for (let after: string | null = null; ; ) {
    const page: readonly DatasetRef[] = await datasets.list(scope, { after, limit: pageSize });
    for (const ref of page) {
      const isShown = scope !== null || ref.path.project !== "system";
      if (isShown && (await access.allows(principal, "dataset.select", { dataset: ref.path }))) yield ref;
    }
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return;
    after = formatDatasetPath(last.path);
  }
}

/** Goes from datasets to what they are made of and to what is made of them, as far as it may and as many as it should. */
class LineageWalk<Format> {
  readonly #rooms: Rooms<Format>;
  readonly #principal: Principal;
  readonly #limit: number;
  readonly #found = new Map<string, DatasetRef>();
  /** Datasets whose lookups belong to the graph. */
  readonly #served = new Set<string>();
  #edge: { readonly ref: DatasetRef; readonly directions: readonly Direction[] }[] = [];
  #isTruncated = false;

  constructor(rooms: Rooms<Format>, principal: Principal, limit: number) {
    this.#rooms = rooms;
    this.#principal = principal;
    this.#limit = limit;
  }

  /** @returns false: there is no room for it */
  begin(ref: DatasetRef): boolean {
    return this.#add(ref, ["up", "down"]);
  }

  /** Takes in what is so many steps away. Up goes on up and down goes on down: what has but an input in common is no kin. */
  async widen(steps: number): Promise<void> {
    for (let step = 0; step < steps && this.#edge.length > 0; step++) {
      const edge = this.#edge;
      this.#edge = [];
      for (const { ref, directions } of edge) for (const direction of directions) await this.#widenFrom(ref, direction);
    }
  }

  async #widenFrom({ id }: DatasetRef, direction: Direction): Promise<void> {
    const { access, datasets } = this.#rooms;
    const paths = direction === "up" ? (datasets.transform(id)?.inputs ?? []) : datasets.readers(id);
    for (const path of paths) {
      if (this.#found.has(formatDatasetPath(path))) continue;
      if (!(await access.allows(this.#principal, "dataset.select", { dataset: path }))) continue;
      const ref = await datasets.find(path);
      if (ref !== null) this.#add(ref, [direction]);
    }
  }

  #add(ref: DatasetRef, directions: readonly Direction[]): boolean {
    if (this.#found.size >= this.#limit) {
      this.#isTruncated = true;
      return false;
    }
    const name = formatDatasetPath(ref.path);
    this.#found.set(name, ref);
    this.#edge.push({ ref, directions });
    if (directions.includes("down")) this.#served.add(name);
    return true;
  }

  async graph(signal: AbortSignal): Promise<z.infer<typeof lineageView>> {
    const refs = [...this.#found.values()];
    const parts: { node: Node; edges: Edge[] }[] = [];
    for (let at = 0; at < refs.length; at += atOnce)
      parts.push(...(await Promise.all(refs.slice(at, at + atOnce).map((ref) => this.#part(ref, signal)))).flat());
    parts.push(...this.#lookupParts());
    const nodes = parts.map(({ node }) => node);
    const there = new Set(nodes.map(({ id }) => id));
    const edges = parts.flatMap((part) => part.edges).filter(({ from, to }) => there.has(from) && there.has(to));
    return { nodes, edges, truncated: this.#isTruncated };
  }

  /** Nothing where it was deleted meanwhile. */
  async #part(ref: DatasetRef, signal: AbortSignal): Promise<{ node: Node; edges: Edge[] }[]> {
    const { datasets } = this.#rooms;
    try {
      const head = await datasets.head(ref.id, signal);
      const transform = datasets.transform(ref.id);
      const progress = transform === null ? null : await datasets.progress(ref.id, signal);
      const shown = (progress ?? []).filter(({ dataset }) => this.#found.has(formatDatasetPath(dataset)));
      const node: Node = {
        id: datasetNode(ref.path),
        kind: transform === null ? "root" : "derivative",
        project: ref.path.project,
        name: ref.path.dataset,
        state: transform?.state ?? null,
        mode: transform?.mode ?? null,
        rows: head.rows,
        lastCommitAt: timeOrNull(head.lastCommitAt),
        behindRows: transform === null ? null : shown.reduce((sum, { behindRows }) => sum + behindRows, 0),
        behindMs: transform === null ? null : Math.max(0, ...shown.map(({ behindMs }) => behindMs)),
        problem: transform?.error?.message ?? null,
      };
      return [{ node, edges: shown.map((one) => edgeOf(one, node.id)) }];
    } catch (error) {
      if (asMillraceError(error).code === "dataset_not_found") return [];
      throw error;
    }
  }

  #lookupParts(): { node: Node; edges: Edge[] }[] {
    const held = this.#rooms.lookups.list().filter(({ dataset }) => this.#served.has(formatDatasetPath(dataset)));
    const room = Math.max(0, this.#limit - this.#found.size);
    if (held.length > room) this.#isTruncated = true;
    return held.slice(0, room).map(({ state }) => lookupPart(state));
  }

  /** Of a derivative, what each column comes of; null where that cannot be told, or names what the caller may not read. */
  async columns({ id }: DatasetRef, signal: AbortSignal): Promise<Column[]> {
    const { access, datasets } = this.#rooms;
    const columns: Column[] = [];
    for (const { name, sources } of (await datasets.columns(id, signal)) ?? []) {
      const seen = await Promise.all(
        (sources ?? []).map(({ dataset }) => access.allows(this.#principal, "dataset.select", { dataset })),
      );
      const isTold = sources !== null && seen.every(Boolean);
      columns.push({ name, from: isTold ? sources.map(({ dataset, column }) => ({ ...dataset, column })) : null });
    }
    return columns;
  }
}

const datasetNode = (path: DatasetRef["path"]) => `dataset:${formatDatasetPath(path)}`;

function edgeOf({ dataset, readOffset, behindRows, behindMs }: InputProgress, to: string): Edge {
  return { from: datasetNode(dataset), to, readOffset, behindRows, behindMs };
}

function lookupPart(state: HeldLookup["state"]): { node: Node; edges: Edge[] } {
  const { project: its, name, dataset, appliedOffset, behindRows, behindMs } = state;
  const id = `lookup:${its}.${name}`;
  const behind = { behindRows, behindMs };
  return {
    node: {
      ...{ id, kind: "lookup", project: its, name, state: state.state, mode: null, rows: state.entries },
      ...{ lastCommitAt: null, ...behind, problem: state.problem?.message ?? null },
    },
    edges: [{ from: datasetNode(dataset), to: id, readOffset: appliedOffset, ...behind }],
  };
}
