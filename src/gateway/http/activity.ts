import { z } from "zod";
import { type DatasetPath, datasetPath, formatInstant } from "../../base/index.ts";
import type { Principal } from "./access-contract.ts";
import type { Rooms } from "./contract.ts";
import { count } from "./parts.ts";
import { type HttpRoute, jsonRoute } from "./route.ts";
import { activityView, storageView } from "./views.ts";

const tag = "datasets";
const mostDatasets = 200;

/** What flows and what is kept, of the datasets that the caller may read. */
export function activityRoutes<Format>({ access, activity }: Rooms<Format>): HttpRoute[] {
  const readable = async <Item>(principal: Principal, items: readonly Item[], pathOf: (item: Item) => DatasetPath) => {
    const shown: { readonly item: Item; readonly path: DatasetPath }[] = [];
    for (const item of items) {
      const path = pathOf(item);
      if (await access.allows(principal, "dataset.select", { dataset: path })) shown.push({ item, path });
    }
    return shown;
  };
  return [
    jsonRoute({
      method: "GET",
      path: "/api/v1/activity",
      summary: "Rows and bytes committed in the last minutes, step by step, by dataset",
      tag,
      query: z.strictObject({ minutes: count(60, 60) }),
      reply: activityView,
      async handle({ query, principal }) {
        const { from, stepMs, flows } = activity.history(query.minutes);
        const shown = await readable(principal, flows, ({ path }) => datasetPath(path));
        const datasets = shown
          .map(({ item, path }) => ({ ...item, path, sum: sum(item.rows) }))
          .sort((a, b) => b.sum - a.sum)
          .slice(0, mostDatasets)
          .map(({ path, rows, bytes }) => ({ ...path, rows: [...rows], bytes: [...bytes] }));
        const steps = (of: (item: (typeof flows)[number]) => readonly number[]) =>
          addSteps(shown.map(({ item }) => of(item)));
        const empty = Array<number>(Math.round((query.minutes * 60_000) / stepMs)).fill(0);
        const total = {
          datasets: shown.length,
          rows: steps(({ rows }) => rows) ?? empty,
          bytes: steps(({ bytes }) => bytes) ?? empty,
        };
        return { from: formatInstant(from), stepMs, datasets, total };
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/storage",
      summary: "Rows, bytes and slices that are kept, by project and dataset",
      tag,
      query: z.strictObject({ limit: count(10_000, 200) }),
      reply: storageView,
      async handle({ query, principal }) {
        const shown = await readable(principal, await activity.storage(), ({ path }) => path);
        const total = { datasets: 0, rows: 0, bytes: 0, slices: 0 };
        const projects = new Map<string, typeof total>();
        for (const { item, path } of shown) {
          const ofProject = projects.get(path.project) ?? { datasets: 0, rows: 0, bytes: 0, slices: 0 };
          projects.set(path.project, ofProject);
          for (const sums of [total, ofProject]) {
            sums.datasets++;
            sums.rows += item.rows;
            sums.bytes += item.bytes;
            sums.slices += item.slices;
          }
        }
        const greatest = <Kept extends { readonly bytes: number }>(kept: Kept[]) =>
          kept.sort((a, b) => b.bytes - a.bytes);
        return {
          total,
          projects: greatest([...projects].map(([project, sums]) => ({ project, ...sums }))),
          datasets: greatest(
            shown.map(({ item: { rows, bytes, slices }, path }) => ({ ...path, rows, bytes, slices })),
          ).slice(0, query.limit),
        };
      },
    }),
  ];
}

const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);

/** Step by step; null where there is nothing to add. */
function addSteps(all: readonly (readonly number[])[]): number[] | null {
  const [first, ...others] = all;
  if (first === undefined) return null;
  const added = [...first];
  for (const one of others) for (const [step, value] of one.entries()) added[step] = (added[step] ?? 0) + value;
  return added;
}
