import type { Activity, Dataset, Resource } from "../../api/types.ts";
import { rank } from "../../shell/match.ts";

/** A dataset with all that its row shows. */
export interface Listed {
  readonly key: string;
  readonly dataset: Dataset;
  readonly labels: readonly string[];
  readonly rate: number;
  readonly lastHour: readonly number[];
}

export const sortKeys = ["name", "rate", "rows", "bytes", "fresh"] as const;
export type SortKey = (typeof sortKeys)[number];
export interface Sort {
  readonly by: SortKey;
  readonly isDown: boolean;
}

/** `rows` or `-rows` of an address; the freshest first unless it says otherwise. */
export function parseSort(text: string | undefined): Sort {
  const by = sortKeys.find((key) => key === text?.replace(/^-/, ""));
  return by === undefined ? { by: "fresh", isDown: true } : { by, isDown: text?.startsWith("-") === true };
}

export const formatSort = ({ by, isDown }: Sort): string => `${isDown ? "-" : ""}${by}`;

export const labelsOf = ({ labels }: Resource): string[] =>
  Object.entries(labels).map(([name, value]) => (value === "" ? name : `${name}=${value}`));

/** Joins what is known of each dataset. */
export function listed(
  datasets: readonly Dataset[],
  rates: ReadonlyMap<string, number>,
  activity: Activity | undefined,
  labels: ReadonlyMap<string, readonly string[]>,
): Listed[] {
  const hours = new Map<string, readonly number[]>();
  for (const one of activity?.datasets ?? []) hours.set(`${one.project}.${one.dataset}`, one.rows);
  return datasets.map((dataset) => {
    const key = `${dataset.project}.${dataset.dataset}`;
    return {
      key,
      dataset,
      labels: labels.get(key) ?? [],
      rate: rates.get(key) ?? 0,
      lastHour: hours.get(key) ?? [],
    };
  });
}

export interface Filter {
  readonly find?: string;
  readonly project?: string;
  readonly label?: string;
}

/** Those that fit, in their order. What is searched for is ordered by how well it fits, unless an order was chosen. */
export function choose(all: readonly Listed[], filter: Filter, sort: Sort | null): Listed[] {
  const kept = all.filter(
    ({ dataset, labels }) =>
      (filter.project === undefined || dataset.project === filter.project) &&
      (filter.label === undefined || labels.includes(filter.label)),
  );
  const found = rank(kept, filter.find ?? "", ({ key }) => key);
  if (sort === null && filter.find !== undefined) return found;
  const fresh = order(parseSort(undefined));
  return found.sort(sort === null ? (a, b) => Number(isOwn(a)) - Number(isOwn(b)) || fresh(a, b) : order(sort));
}

/** The platform's own datasets: where nobody asked for an order, they stand behind people's. */
const isOwn = ({ dataset }: Listed): boolean => dataset.project === "system";

const names = new Intl.Collator("en", { numeric: true });

function order({ by, isDown }: Sort): (a: Listed, b: Listed) => number {
  const way = isDown ? -1 : 1;
  return (a, b) => way * difference(by, a, b) || names.compare(a.key, b.key);
}

function difference(by: SortKey, a: Listed, b: Listed): number {
  switch (by) {
    case "name":
      return names.compare(a.key, b.key);
    case "rate":
      return a.rate - b.rate;
    case "rows":
      return a.dataset.rows - b.dataset.rows;
    case "bytes":
      return a.dataset.bytes - b.dataset.bytes;
    case "fresh":
      // ISO 8601 in UTC sorts as text.
      return compareText(a.dataset.lastCommitAt ?? "", b.dataset.lastCommitAt ?? "");
  }
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
