import { type ReactNode, useState } from "react";
import { IconButton, Segments } from "../../../design/controls.tsx";
import { ErrorPanel, SkeletonRows } from "../../../design/display.tsx";
import { useCatalog } from "../catalog.ts";
import type { CatalogDataset } from "../editor/completion.ts";
import type { SavedQuery } from "../saved.ts";
import { Catalog } from "./catalog.tsx";
import { HistoryPanel } from "./history-panel.tsx";
import { SavedPanel } from "./saved-panel.tsx";
import css from "./side.module.css";

type Part = "data" | "saved" | "history";

/** Beside the editor: what can be asked, what is kept, what was run. */
export function SidePanel({
  onInsert,
  onLook,
  onSaved,
  onRan,
  onClose,
}: {
  readonly onInsert: (text: string) => void;
  readonly onLook: (dataset: CatalogDataset) => void;
  readonly onSaved: (query: SavedQuery) => void;
  readonly onRan: (sql: string) => void;
  readonly onClose: () => void;
}): ReactNode {
  const [part, setPart] = useState<Part>("data");
  const { datasets, isPending, error } = useCatalog();
  return (
    <aside className={css.side} aria-label="Datasets, saved queries and history">
      <div className={css.top}>
        <Segments
          label="Show"
          value={part}
          options={[
            { value: "data", label: "Data" },
            { value: "saved", label: "Saved" },
            { value: "history", label: "History" },
          ]}
          onChange={setPart}
        />
        <IconButton small icon="close" label="Hide this" onClick={onClose} />
      </div>
      <div className={css.panel}>
        {part === "data" &&
          (isPending ? (
            <SkeletonRows rows={8} />
          ) : error !== null ? (
            <ErrorPanel error={error} />
          ) : (
            <Catalog datasets={datasets} onInsert={onInsert} onLook={onLook} />
          ))}
        {part === "saved" && <SavedPanel onOpen={onSaved} />}
        {part === "history" && <HistoryPanel onOpen={onRan} />}
      </div>
    </aside>
  );
}
