import { type ReactNode, useState } from "react";
import { Name } from "../../design/display.tsx";
import { join } from "../../design/join.ts";
import { Dialog } from "../../design/overlays.tsx";
import { shown as inert } from "../../design/shown.ts";
import css from "./sample.module.css";
import { lookOf } from "./statistics.ts";
import { Value } from "./value.tsx";

interface Shown {
  readonly column: string;
  readonly value: unknown;
}

/** Longer than this, or nested, a value opens by a press. */
const wholeLength = 40;

/** A few hundred rows as a plain table; what does not fit its cell opens whole. */
export function Grid({
  label,
  columns,
  rows,
}: {
  readonly label: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}): ReactNode {
  const [shown, setShown] = useState<Shown | null>(null);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section className={css.grid} tabIndex={0} aria-label={label}>
        <table>
          <thead>
            <tr>
              {columns.map(({ name, type }) => (
                <th key={name} scope="col" className={join(lookOf(type) === "number" && css.number)}>
                  <Name>{name}</Name>
                  <small>{type}</small>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, at) => (
              <tr key={at}>
                {columns.map(({ name, type }) => (
                  <td key={name} className={join(lookOf(type) === "number" && css.number)}>
                    <Cell column={name} value={row[name]} onShow={setShown} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <Dialog title={shown?.column ?? ""} isOpen={shown !== null} onClose={() => setShown(null)} wide>
        <pre className={css.whole}>
          <bdi>{inert(whole(shown?.value))}</bdi>
        </pre>
      </Dialog>
    </>
  );
}

function Cell({ column, value, onShow }: Shown & { readonly onShow: (shown: Shown) => void }): ReactNode {
  const isLong = typeof value === "object" ? value !== null : typeof value === "string" && value.length > wholeLength;
  if (!isLong) return <Value value={value} />;
  return (
    <button type="button" className={css.cell} title="Show it whole" onClick={() => onShow({ column, value })}>
      <Value value={value} />
    </button>
  );
}

/** A nested value spread over lines; a text that holds JSON likewise. */
function whole(value: unknown): string {
  if (typeof value === "object") return JSON.stringify(value, null, 2);
  const text = String(value ?? "");
  if (!/^\s*[{[]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text; // it only begins like JSON
  }
}
