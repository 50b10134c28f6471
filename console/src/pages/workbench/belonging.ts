import { historyBelongsTo } from "./history.ts";
import { runs } from "./runs.ts";
import { tabStore } from "./tab-store.ts";

let owner: string | null = null;

/** Tabs, history and results are one person's: who signs in behind another in the same page sees nothing of them. */
export function belongTo(person: string): void {
  if (person === owner) return;
  if (owner !== null) runs.dropAll();
  owner = person;
  historyBelongsTo(person);
  tabStore.belongTo(person);
}
