import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect } from "react";
import { tellFailure } from "../../design/overlays.tsx";
import { type SavedQuery, savedQuery } from "./saved.ts";
import { tabStore } from "./tab-store.ts";
import { mostTabs, type Tab } from "./tabs.ts";

export function openTab(given: Partial<Omit<Tab, "id">>): void {
  if (tabStore.open(given) === null) tellFailure(new Error(`${mostTabs} tabs are open; close one first.`));
}

/** Opens a saved query: in its tab where it is open, else in a new one. */
export function openSaved(query: SavedQuery): void {
  const { project, name } = query;
  const open = tabStore.state().tabs.find(({ saved }) => saved?.project === project && saved.name === name);
  if (open !== undefined) tabStore.activate(open.id);
  else openTab({ name: query.title, sql: query.sql, chart: query.chart, saved: { project, name } });
}

/** What the address asks for, once: a new tab with its SQL, or a saved query. */
export function useOpening(): void {
  const { sql, saved } = useSearch({ from: "/inside/workbench" });
  const navigate = useNavigate();
  useEffect(() => {
    if (sql === undefined && saved === undefined) return;
    // Taken out of the address, so that a reload opens nothing twice.
    void navigate({ to: "/workbench", search: {}, replace: true });
    if (sql !== undefined) openTab({ sql });
    if (saved === undefined) return;
    const [, project, name] = /^([^/]+)\/(.+)$/.exec(saved) ?? [];
    if (project === undefined || name === undefined) tellFailure(new Error("The address names no saved query."));
    else savedQuery(project, name).then(openSaved, tellFailure);
  }, [sql, saved, navigate]);
}
