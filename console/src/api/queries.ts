import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { ask, path } from "./client.ts";
import type {
  Activity,
  Block,
  Dataset,
  DatasetLineage,
  Lineage,
  Lookup,
  OneDataset,
  PlatformEvent,
  Query,
  Resource,
  Setting,
  Task,
} from "./types.ts";

/** What the console reads, each with its key in the cache: the live stream says by these keys what has changed. */

export const activityQuery = queryOptions({
  queryKey: ["activity"],
  queryFn: ({ signal }) => ask<Activity>("/api/v1/activity", { query: { minutes: 60 }, signal }),
  staleTime: 30_000,
});

export const datasetsQuery = queryOptions({
  queryKey: ["datasets"],
  async queryFn({ signal }) {
    const all: Dataset[] = [];
    // Pages of a bounded list: ten thousand datasets are ten requests.
    for (let after: string | null = null; ; ) {
      const page: { datasets: Dataset[]; next: string | null } = await ask("/api/v1/datasets", {
        query: { limit: 1_000, after },
        signal,
      });
      all.push(...page.datasets);
      if (page.next === null || all.length >= 20_000) return all;
      after = page.next;
    }
  },
});

export const datasetQuery = (project: string, dataset: string) =>
  queryOptions({
    queryKey: ["dataset", project, dataset],
    queryFn: ({ signal }) => ask<OneDataset>(path`/api/v1/projects/${project}/datasets/${dataset}`, { signal }),
  });

export const blocksQuery = (project: string, dataset: string, before: number | null) =>
  queryOptions({
    queryKey: ["dataset", project, dataset, "blocks", before],
    queryFn: ({ signal }) =>
      ask<{ blocks: Block[]; next: number | null }>(path`/api/v1/projects/${project}/datasets/${dataset}/blocks`, {
        query: { before, limit: 100 },
        signal,
      }),
  });

/** The chain, page by page, from a block or from the newest. */
export const chainQuery = (project: string, dataset: string, seq: number | undefined) =>
  infiniteQueryOptions({
    queryKey: ["dataset", project, dataset, "chain", seq ?? "now"],
    queryFn: ({ signal, pageParam }) =>
      ask<{ blocks: Block[]; next: number | null }>(path`/api/v1/projects/${project}/datasets/${dataset}/blocks`, {
        query: { before: pageParam, limit: 100 },
        signal,
      }),
    initialPageParam: seq === undefined ? null : seq + 1,
    getNextPageParam: (last: { readonly next: number | null }) => last.next,
  });

/** One block, by its number. Blocks never change. */
export const blockQuery = (project: string, dataset: string, seq: number) =>
  queryOptions({
    queryKey: ["block", project, dataset, seq],
    async queryFn({ signal }) {
      const { blocks } = await ask<{ blocks: Block[] }>(path`/api/v1/projects/${project}/datasets/${dataset}/blocks`, {
        query: { before: seq + 1, limit: 1 },
        signal,
      });
      return blocks.find((block) => block.seq === seq) ?? null;
    },
    staleTime: Number.POSITIVE_INFINITY,
  });

export const tasksQuery = (filter: { readonly state?: string; readonly kind?: string; readonly project?: string }) =>
  queryOptions({
    queryKey: ["tasks", filter],
    queryFn: ({ signal }) =>
      ask<{ tasks: Task[]; next: string | null }>("/api/v1/tasks", { query: { ...filter, limit: 200 }, signal }),
  });

export const queriesQuery = queryOptions({
  queryKey: ["queries"],
  queryFn: ({ signal }) => ask<{ queries: Query[] }>("/api/v1/queries", { signal }),
});

/** The newest events; what comes after them is told by the live stream. */
export const lastEventsQuery = queryOptions({
  queryKey: ["events"],
  async queryFn({ signal }) {
    const { events } = await ask<{ events: PlatformEvent[] }>("/api/v1/events", { query: { last: 200 }, signal });
    return events;
  },
});

export const settingsQuery = queryOptions({
  queryKey: ["settings"],
  queryFn: ({ signal }) => ask<{ settings: Setting[] }>("/api/v1/config", { signal }),
});

export const projectsQuery = queryOptions({
  queryKey: ["resources", "Project"],
  queryFn: ({ signal }) =>
    ask<{ resources: Resource[]; next: string | null }>("/api/v1/resources/Project", {
      query: { limit: 1_000 },
      signal,
    }),
});

/** What is declared under a name. */
export const resourceQuery = (project: string, kind: string, name: string) =>
  queryOptions({
    queryKey: ["resources", kind, project, name],
    queryFn: ({ signal }) => ask<Resource>(path`/api/v1/projects/${project}/resources/${kind}/${name}`, { signal }),
  });

/** Most nodes of a graph that are asked for. */
const mostNodes = 1_000;

/** What is made of what: of a project and its neighbours, or of all. */
export const lineageQuery = (project: string | undefined) =>
  queryOptions({
    queryKey: ["lineage", "of", project ?? null],
    queryFn: ({ signal }) => ask<Lineage>("/api/v1/lineage", { query: { project, limit: mostNodes }, signal }),
  });

export const datasetLineageQuery = (project: string, dataset: string) =>
  queryOptions({
    queryKey: ["lineage", "around", project, dataset],
    queryFn: ({ signal }) =>
      ask<DatasetLineage>(path`/api/v1/projects/${project}/datasets/${dataset}/lineage`, { signal }),
  });

export const lookupsQuery = queryOptions({
  queryKey: ["lookups"],
  queryFn: async ({ signal }) => (await ask<{ lookups: Lookup[] }>("/api/v1/lookups", { signal })).lookups,
});

export const lookupQuery = (project: string, lookup: string) =>
  queryOptions({
    queryKey: ["lookups", project, lookup],
    queryFn: ({ signal }) => ask<Lookup>(path`/api/v1/lookups/${project}/${lookup}`, { signal }),
  });
