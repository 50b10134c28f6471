import { type QueryClient, queryOptions } from "@tanstack/react-query";
import { ask, path } from "../../api/client.ts";
import type { Resource } from "../../api/types.ts";
import type { Chart } from "./chart/choose.ts";
import { storedChart } from "./tabs.ts";

/** A query that a project keeps and its members share. */
export interface SavedQuery {
  readonly project: string;
  readonly name: string;
  readonly generation: number;
  readonly title: string;
  readonly folder: string;
  readonly sql: string;
  readonly chart: Chart | null;
}

const mostListed = 5_000;

export const savedQueries = (project: string) =>
  queryOptions({
    queryKey: ["saved", project],
    async queryFn({ signal }) {
      const all: SavedQuery[] = [];
      for (let after: string | null = null; ; ) {
        const page: { resources: Resource[]; next: string | null } = await ask(
          path`/api/v1/projects/${project}/resources/SavedQuery`,
          { query: { limit: 1_000, after }, signal },
        );
        all.push(...page.resources.map(savedOf));
        if (page.next === null || all.length >= mostListed) return all;
        after = page.next;
      }
    },
  });

export const savedQuery = async (project: string, name: string): Promise<SavedQuery> =>
  savedOf(await ask<Resource>(path`/api/v1/projects/${project}/resources/SavedQuery/${name}`));

/** Writes over one that is there, or only over a certain generation of it (0: none is there). @throws ApiError */
export async function save(
  client: QueryClient,
  { project, name, title, folder, sql, chart }: Omit<SavedQuery, "generation">,
  only?: number,
): Promise<void> {
  const spec = { title, folder, sql, ...(chart === null ? {} : { chart }) };
  await ask(path`/api/v1/projects/${project}/resources/SavedQuery/${name}`, {
    method: "PUT",
    body: { labels: {}, spec },
    ...(only === undefined ? {} : { headers: { "if-match": String(only) } }),
  });
  await client.invalidateQueries({ queryKey: ["saved", project] });
}

type Place = Pick<SavedQuery, "project" | "name">;

/**
 * Gives it another name, folder or project, and answers where it is. What it says stays as the server has it, whoever changed it
 * meanwhile. In another project it is there before it goes here: cut off between, it is in both, never in none. @throws ApiError
 */
export async function move(
  client: QueryClient,
  { project, name }: Place,
  to: Pick<SavedQuery, "project" | "title" | "folder">,
): Promise<Place> {
  const now = await savedQuery(project, name);
  if (to.project === project) {
    await save(client, { ...now, ...to }, now.generation);
    return { project, name };
  }
  const there = await client.fetchQuery({ ...savedQueries(to.project), staleTime: 0 });
  const moved = { ...now, ...to, name: nameFor(to.title, new Set(there.map((one) => one.name))) };
  await save(client, moved, 0);
  try {
    await remove(client, now, now.generation);
  } catch (error) {
    await remove(client, moved); // who may not take it away here, has not moved it
    throw error;
  }
  return moved;
}

/** @param only where it is still of this generation */
export async function remove(client: QueryClient, { project, name }: Place, only?: number): Promise<void> {
  await ask(path`/api/v1/projects/${project}/resources/SavedQuery/${name}`, {
    method: "DELETE",
    ...(only === undefined ? {} : { headers: { "if-match": String(only) } }),
  });
  await client.invalidateQueries({ queryKey: ["saved", project] });
}

function savedOf({ project, name, generation, spec }: Resource): SavedQuery {
  const { title, folder, sql, chart } = (spec ?? {}) as Record<string, unknown>;
  return {
    project: project ?? "",
    name,
    generation,
    title: typeof title === "string" ? title : name,
    folder: typeof folder === "string" ? folder : "",
    sql: typeof sql === "string" ? sql : "",
    chart: storedChart(chart),
  };
}

export interface Folder {
  /** Its own, without those above it. */
  readonly name: string;
  readonly path: string;
  readonly folders: readonly Folder[];
  readonly queries: readonly SavedQuery[];
}

/** The tree that the folders of queries make, all by name. */
export function treeOf(queries: readonly SavedQuery[]): Folder {
  const byTitle = queries.toSorted((a, b) => a.title.localeCompare(b.title) || a.name.localeCompare(b.name));
  return folderAt("", "", byTitle);
}

function folderAt(name: string, at: string, queries: readonly SavedQuery[]): Folder {
  const depth = at === "" ? 0 : at.split("/").length;
  const below = Map.groupBy(
    queries.filter(({ folder }) => folder !== at),
    ({ folder }) => folder.split("/")[depth] ?? "",
  );
  const names = [...below.keys()].sort((a, b) => a.localeCompare(b));
  return {
    name,
    path: at,
    folders: names.map((one) => folderAt(one, at === "" ? one : `${at}/${one}`, below.get(one) ?? [])),
    queries: queries.filter(({ folder }) => folder === at),
  };
}

const longestName = 50;

/** A resource's name from what people call it; `taken` is not used again. */
export function nameFor(title: string, taken: ReadonlySet<string>): string {
  const plain = title
    .normalize("NFKD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .slice(0, longestName)
    .replace(/^_+|_+$/g, "");
  const first = /^[a-z]/.test(plain) ? plain : plain === "" ? "query" : `query_${plain}`;
  for (let number = 1; ; number++) {
    const name = number === 1 ? first : `${first}_${number}`;
    if (!taken.has(name)) return name;
  }
}

/** A folder as the server takes it: its names joined by single slashes. */
export const folderPath = (text: string): string =>
  text
    .split("/")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .join("/");
