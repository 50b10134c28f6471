import type { ReactNode } from "react";
import { Button, IconButton, Select } from "../../design/controls.tsx";
import { count } from "../../design/format.ts";
import css from "./workbench.module.css";

export const rowLimits = [100, 1_000, 10_000, 100_000, 1_000_000] as const;

/** What can be done with the query. */
export function Toolbar({
  isBusy,
  isEmpty,
  rowLimit,
  isSideOpen,
  onSide,
  onRun,
  onCancel,
  onSave,
  onKeep,
  onRowLimit,
}: {
  readonly isBusy: boolean;
  readonly isEmpty: boolean;
  readonly rowLimit: number;
  readonly isSideOpen: boolean;
  readonly onSide: () => void;
  readonly onRun: () => void;
  readonly onCancel: () => void;
  readonly onSave: () => void;
  /** Makes a dataset of it. */
  readonly onKeep: () => void;
  readonly onRowLimit: (rows: number) => void;
}): ReactNode {
  return (
    <div className={css.toolbar}>
      <IconButton
        small
        icon="table"
        label={isSideOpen ? "Hide datasets, saved queries and history" : "Show datasets, saved queries and history"}
        aria-pressed={isSideOpen}
        onClick={onSide}
      />
      {isBusy ? (
        <Button small look="danger" icon="stop" onClick={onCancel}>
          Cancel
        </Button>
      ) : (
        <Button
          small
          look="primary"
          icon="play"
          title="Ctrl Enter: the selected text, or all"
          unless={isEmpty ? "Write a statement first" : null}
          onClick={onRun}
        >
          Run
        </Button>
      )}
      <div className={css.limit}>
        at most
        <Select
          aria-label="Most rows of a result"
          className={css.limitSelect}
          value={rowLimit}
          onChange={({ target }) => onRowLimit(Number(target.value))}
        >
          {rowLimits.map((rows) => (
            <option key={rows} value={rows}>
              {count(rows)}
            </option>
          ))}
        </Select>
        rows
      </div>
      <span className={css.spread} />
      <Button
        small
        icon="lineage"
        title="Makes a dataset of the result, which follows its inputs"
        unless={isEmpty ? "Write a statement first" : null}
        onClick={onKeep}
      >
        Keep this query
      </Button>
      <Button small title="Ctrl S" unless={isEmpty ? "Write a statement first" : null} onClick={onSave}>
        Save
      </Button>
    </div>
  );
}
