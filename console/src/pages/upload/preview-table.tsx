import type { ReactNode } from "react";
import type { Preview } from "../../api/types.ts";
import { Select } from "../../design/controls.tsx";
import { Badge, Data, EmptyState, Name, Warning } from "../../design/display.tsx";
import { count } from "../../design/format.ts";
import { textOf } from "../dataset/value.tsx";
import { typesFor } from "./declare-columns.ts";
import { formatLabel } from "./preview.ts";
import css from "./upload.module.css";

/** The columns that were found, each with its type and its first values. */
export function Columns({
  preview,
  isPart,
  types,
  onType,
}: {
  readonly preview: Preview;
  readonly isPart: boolean;
  /** Types that were chosen instead of those that were found. */
  readonly types: ReadonlyMap<string, string>;
  /** Null where the columns are there already, and keep their types. */
  readonly onType: ((column: string, type: string) => void) | null;
}): ReactNode {
  return (
    <>
      <div className={css.found}>
        <Badge tone="accent">
          <Name>{formatLabel(preview.formatName)}</Name>
        </Badge>
        <span>
          {count(preview.columns.length)} columns
          {isPart && ", judged by the first 256 KiB"}
        </span>
        {preview.problems.length > 0 && (
          <Warning>
            {preview.problems.length >= 20 ? "20 or more" : count(preview.problems.length)} rows would be quarantined
          </Warning>
        )}
      </div>
      {preview.problems.length > 0 && (
        <ul className={css.problems}>
          {preview.problems.slice(0, 5).map((problem, at) => (
            <li key={at}>
              <Name>{problem.reason}</Name>
              {problem.column !== null && (
                <>
                  {", column "}
                  <Name>{problem.column}</Name>
                </>
              )}
              {problem.line !== null && `, line ${count(problem.line)}`}
            </li>
          ))}
        </ul>
      )}
      {preview.columns.length === 0 ? (
        <EmptyState title="Its columns are found when it is sent">
          <p>Its beginning does not tell them.</p>
        </EmptyState>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <section className={css.columns} tabIndex={0} aria-label="Columns that were found">
          <table>
            <thead>
              <tr>
                <th scope="col">Column</th>
                <th scope="col">Type</th>
                <th scope="col">First values</th>
              </tr>
            </thead>
            <tbody>
              {preview.columns.map(({ name, type }) => (
                <tr key={name}>
                  <th scope="row">
                    <Name>{name}</Name>
                  </th>
                  <td>
                    {onType === null || typesFor(type).length === 1 ? (
                      <Data>{type}</Data>
                    ) : (
                      <Select
                        aria-label={`Type of ${name}`}
                        className={css.type}
                        value={types.get(name) ?? type}
                        onChange={({ target }) => onType(name, target.value)}
                      >
                        {typesFor(type).map((one) => (
                          <option key={one} value={one}>
                            {one}
                          </option>
                        ))}
                      </Select>
                    )}
                  </td>
                  <td className={css.values}>
                    {preview.rows.slice(0, 3).map((row, at) => (
                      <span key={at}>
                        <Name>{textOf(row[name])}</Name>
                      </span>
                    ))}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}
