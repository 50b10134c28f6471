import { type Chart, chartTypes } from "./chart/choose.ts";

export interface SavedAs {
  readonly project: string;
  readonly name: string;
}

export interface Tab {
  readonly id: string;
  readonly name: string;
  readonly sql: string;
  readonly saved: SavedAs | null;
  readonly chart: Chart | null;
}

export interface Tabs {
  readonly tabs: readonly Tab[];
  readonly active: string;
}

export const mostTabs = 40;
const mostSqlLength = 100_000;

export const emptyTab = (id: string, given: Partial<Tab> = {}): Tab => ({
  name: "Query",
  sql: "",
  saved: null,
  chart: null,
  ...given,
  id,
});

/** Tabs as they were stored; at least one, whatever was. */
export function readTabs(text: string | null, newId: () => string): Tabs {
  const tabs = storedTabs(text).slice(0, mostTabs);
  const [first] = tabs;
  if (first === undefined) {
    const tab = emptyTab(newId());
    return { tabs: [tab], active: tab.id };
  }
  const active = (parsed(text) as { active?: unknown } | null)?.active;
  return { tabs, active: tabs.some(({ id }) => id === active) ? String(active) : first.id };
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

function storedTabs(text: string | null): Tab[] {
  const list = (parsed(text) as { tabs?: unknown } | null)?.tabs;
  if (!Array.isArray(list)) return [];
  const seen = new Set<string>();
  return list.flatMap((one: unknown) => {
    const tab = storedTab(one);
    if (tab === null || seen.has(tab.id)) return [];
    seen.add(tab.id);
    return [tab];
  });
}

function storedTab(one: unknown): Tab | null {
  if (typeof one !== "object" || one === null) return null;
  const { id, name, sql, saved, chart } = one as Record<string, unknown>;
  if (typeof id !== "string" || typeof sql !== "string") return null;
  return {
    id,
    sql,
    name: typeof name === "string" && name !== "" ? name : "Query",
    saved: storedAs(saved),
    chart: storedChart(chart),
  };
}

function storedAs(value: unknown): SavedAs | null {
  const { project, name } = (value ?? {}) as Record<string, unknown>;
  return typeof project === "string" && typeof name === "string" ? { project, name } : null;
}

/** A chart as it was kept, in a tab or a saved query; null for anything that is none. */
export function storedChart(value: unknown): Chart | null {
  const { type, x, y, split } = (value ?? {}) as Record<string, unknown>;
  const known = chartTypes.find((one) => one === type);
  const isColumn = (column: unknown): column is number => Number.isSafeInteger(column) && Number(column) >= 0;
  if (known === undefined || !Array.isArray(y) || !y.every(isColumn)) return null;
  return { type: known, x: isColumn(x) ? x : null, y, split: isColumn(split) ? split : null };
}

export const withTab = ({ tabs }: Tabs, tab: Tab): Tabs => ({ tabs: [...tabs, tab], active: tab.id });

/** Without a tab; its neighbour is the active one where it was. The last one closed leaves an empty one. */
export function withoutTab({ tabs, active }: Tabs, id: string, newId: () => string): Tabs {
  const at = tabs.findIndex((tab) => tab.id === id);
  const left = tabs.filter((tab) => tab.id !== id);
  if (left.length === 0) return readTabs(null, newId);
  const neighbour = left[Math.min(at, left.length - 1)]?.id ?? "";
  return { tabs: left, active: active === id ? neighbour : active };
}

export const changedTab = ({ tabs, active }: Tabs, id: string, change: Partial<Omit<Tab, "id">>): Tabs => ({
  tabs: tabs.map((tab) => (tab.id === id ? { ...tab, ...change } : tab)),
  active,
});

/** What is kept: long texts only as far as their tab may take of what the browser gives. */
export const storedText = ({ tabs, active }: Tabs): string =>
  JSON.stringify({ active, tabs: tabs.map((tab) => ({ ...tab, sql: tab.sql.slice(0, mostSqlLength) })) });

/** A name that no tab has: "Query", "Query 2". */
export function freeName(tabs: readonly Tab[], wanted: string): string {
  const taken = new Set(tabs.map(({ name }) => name));
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted} ${number}`;
    if (!taken.has(name)) return name;
  }
}
