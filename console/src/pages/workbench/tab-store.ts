import { useSyncExternalStore } from "react";
import {
  changedTab,
  emptyTab,
  freeName,
  mostTabs,
  readTabs,
  storedText,
  type Tab,
  type Tabs,
  withoutTab,
  withTab,
} from "./tabs.ts";

const keyOf = (owner: string): string => `millrace.workbench.tabs ${owner}`;

/** The tabs of a person in this browser. They are written a moment after the last change, and when the page goes. */
class TabStore {
  #owner = "";
  #state: Tabs | null = null;
  #writing: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<() => void>();

  constructor() {
    addEventListener("pagehide", () => this.#write());
  }

  /** Whose tabs they are. */
  belongTo(owner: string): void {
    if (owner === this.#owner) return;
    clearTimeout(this.#writing);
    this.#write();
    this.#owner = owner;
    this.#state = null;
  }

  readonly state = (): Tabs => {
    this.#state ??= readTabs(localStorage.getItem(keyOf(this.#owner)), newId);
    return this.#state;
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** In the active tab where that is empty, else in a new one. Null where there are too many. */
  open(given: Partial<Omit<Tab, "id">>): Tab | null {
    const { tabs, active } = this.state();
    const empty = tabs.find(({ id, sql, saved }) => id === active && sql === "" && saved === null);
    if (empty !== undefined && given.sql !== undefined) {
      this.change(empty.id, given);
      return { ...empty, ...given };
    }
    if (tabs.length >= mostTabs) return null;
    const tab = emptyTab(newId(), { ...given, name: freeName(tabs, given.name ?? "Query") });
    this.#set(withTab(this.state(), tab));
    return tab;
  }

  close(id: string): void {
    this.#set(withoutTab(this.state(), id, newId));
  }

  activate(id: string): void {
    this.#set({ ...this.state(), active: id });
  }

  change(id: string, change: Partial<Omit<Tab, "id">>): void {
    this.#set(changedTab(this.state(), id, change));
  }

  #set(state: Tabs): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
    clearTimeout(this.#writing);
    this.#writing = setTimeout(() => this.#write(), 300);
  }

  #write(): void {
    if (this.#state === null) return;
    try {
      localStorage.setItem(keyOf(this.#owner), storedText(this.#state));
    } catch {
      // The browser's room is used up: the tabs live on until the page goes.
    }
  }
}

const newId = (): string => crypto.randomUUID();

export const tabStore = new TabStore();

export const useTabs = (): Tabs => useSyncExternalStore(tabStore.subscribe, tabStore.state);
