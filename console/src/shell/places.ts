import type { IconName } from "../design/icon.tsx";

export interface Place {
  readonly to:
    | "/"
    | "/datasets"
    | "/lineage"
    | "/lookups"
    | "/workbench"
    | "/tasks"
    | "/events"
    | "/access"
    | "/settings";
  readonly label: string;
  readonly icon: IconName;
  /** The letter behind `g`. */
  readonly letter: string;
}

export const places: readonly Place[] = [
  { to: "/", label: "Home", icon: "home", letter: "h" },
  { to: "/datasets", label: "Datasets", icon: "dataset", letter: "d" },
  { to: "/lineage", label: "Lineage", icon: "lineage", letter: "l" },
  { to: "/lookups", label: "Lookups", icon: "key", letter: "k" },
  { to: "/workbench", label: "Workbench", icon: "workbench", letter: "w" },
  { to: "/tasks", label: "Tasks", icon: "tasks", letter: "t" },
  { to: "/events", label: "Events", icon: "events", letter: "e" },
  { to: "/access", label: "Access", icon: "access", letter: "a" },
  { to: "/settings", label: "Settings", icon: "settings", letter: "s" },
];
