import { type ReactNode, useMemo, useState } from "react";
import { SearchInput } from "../../../design/controls.tsx";
import { EmptyState, MillraceCommand, Name } from "../../../design/display.tsx";
import { Icon } from "../../../design/icon.tsx";
import { rank } from "../../../shell/match.ts";
import { type CatalogDataset, written } from "../editor/completion.ts";
import css from "./side.module.css";

const mostShown = 200;

/** Datasets and their columns; a click writes the name into the editor. */
export function Catalog({
  datasets,
  onInsert,
  onLook,
}: {
  readonly datasets: readonly CatalogDataset[];
  readonly onInsert: (text: string) => void;
  readonly onLook: (dataset: CatalogDataset) => void;
}): ReactNode {
  const [find, setFind] = useState("");
  const found = useMemo(
    () => rank(datasets, find, ({ project, dataset }) => `${project}.${dataset}`),
    [datasets, find],
  );
  if (datasets.length === 0) {
    return (
      <EmptyState title="No datasets yet">
        <p>Import a file:</p>
        <MillraceCommand args="ingest my.data FILE.csv" />
      </EmptyState>
    );
  }
  return (
    <>
      <div className={css.find}>
        <SearchInput label="Find a dataset" value={find} onChange={({ target }) => setFind(target.value)} />
      </div>
      <ul className={css.list}>
        {found.slice(0, mostShown).map((one) => (
          <CatalogRow key={`${one.project}.${one.dataset}`} dataset={one} onInsert={onInsert} onLook={onLook} />
        ))}
      </ul>
      {found.length > mostShown && (
        <p className={css.more}>{found.length - mostShown} more: type a part of the name.</p>
      )}
    </>
  );
}

function CatalogRow({
  dataset: one,
  onInsert,
  onLook,
}: {
  readonly dataset: CatalogDataset;
  readonly onInsert: (text: string) => void;
  readonly onLook: (dataset: CatalogDataset) => void;
}): ReactNode {
  const [isOpen, setOpen] = useState(false);
  const name = `${one.project}.${one.dataset}`;
  return (
    <li>
      <div className={css.row}>
        <button
          type="button"
          className={css.entry}
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
          title={name}
        >
          <span className={css.turn} data-open={isOpen}>
            <Icon name="chevron" size={12} />
          </span>
          <Name>
            <span className={css.dim}>{one.project}.</span>
            {one.dataset}
          </Name>
        </button>
        <button
          type="button"
          className={css.act}
          aria-label={`Look at ${name}`}
          title="Look at its rows"
          onClick={() => onLook(one)}
        >
          <Icon name="play" size={13} />
        </button>
      </div>
      {isOpen && (
        <ul className={css.columns}>
          <li>
            <button
              type="button"
              className={css.entry}
              onClick={() => onInsert(`${written(one.project)}.${written(one.dataset)}`)}
            >
              <Icon name="plus" size={12} />
              Write its name
            </button>
          </li>
          {one.columns.map(({ name: column, type }) => (
            <li key={column}>
              <button type="button" className={css.entry} title={column} onClick={() => onInsert(written(column))}>
                <Name>{column}</Name>
                <small>{type}</small>
              </button>
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}
