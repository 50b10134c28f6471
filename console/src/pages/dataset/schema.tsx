import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { datasetQuery } from "../../api/queries.ts";
import { Card, EmptyState, ErrorPanel, MillraceCommand, SkeletonRows } from "../../design/display.tsx";
import { count } from "../../design/format.ts";
import { ColumnRow } from "./column-row.tsx";
import { ownColumns, ownLast } from "./own-columns.ts";
import { usePlace } from "./place.ts";
import { columnsQuery, lastOffsetQuery, sampledRows } from "./reads.ts";
import css from "./schema.module.css";

/** The columns, each with its type and a picture of what is in it. */
export function Schema(): ReactNode {
  const { project, dataset, seq } = usePlace();
  const { data: head } = useQuery(datasetQuery(project, dataset));
  const isEmpty = seq === 0 || (head !== undefined && head.schema === null);
  const columns = useQuery({ ...columnsQuery(project, dataset, seq), enabled: head !== undefined && !isEmpty });
  const last = useQuery({ ...lastOffsetQuery(project, dataset, seq), enabled: columns.data !== undefined });
  const error = columns.error ?? last.error;
  const isSampled = last.data !== undefined && last.data + 1 > sampledRows;
  // Counted once when the page opens, not anew by every commit: of a dataset that flows, the numbers stand for that moment.
  const [afterOffset] = useSettled(last.data === undefined ? undefined : isSampled ? last.data - sampledRows : null);

  if (isEmpty)
    return (
      <Card>
        <EmptyState title="No columns yet">
          <p>Columns and their types come with the first rows.</p>
          <MillraceCommand args={`ingest ${project}.${dataset} YOUR_FILE.csv`} />
        </EmptyState>
      </Card>
    );
  if (error !== null) return <ErrorPanel error={error} again={() => void columns.refetch()} />;
  const nullable = new Set(head?.schema?.filter(({ type }) => isOption(type)).map(({ name }) => name));
  const all = columns.data ?? [];
  const shown = ownLast(all);
  return (
    <Card
      flush
      title={columns.data === undefined ? "Columns" : `${count(all.length)} columns`}
      actions={isSampled && <span className={css.sampled}>Statistics are of the newest {count(sampledRows)} rows</span>}
    >
      {columns.data === undefined ? (
        <SkeletonRows rows={8} height={44} />
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <section className={css.scroll} tabIndex={0} aria-label="Columns">
          <table className={css.table}>
            <thead>
              <tr>
                <th scope="col">Column</th>
                <th scope="col">Filled</th>
                <th scope="col" className={css.number}>
                  Different
                </th>
                <th scope="col">Range</th>
                <th scope="col">Distribution</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((column) => (
                <ColumnRow
                  key={column.name}
                  column={column}
                  isOwn={ownColumns.has(column.name)}
                  isNullable={nullable.has(column.name)}
                  afterOffset={afterOffset}
                />
              ))}
            </tbody>
          </table>
        </section>
      )}
    </Card>
  );
}

const isOption = (type: unknown): boolean =>
  typeof type === "object" && type !== null && "kind" in type && type.kind === "Option";

/** The first value that is known, kept. */
function useSettled<Value>(value: Value | undefined): [Value | undefined] {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    setSettled((known) => known ?? value);
  }, [value]);
  return [settled];
}
