import { type ReactNode, useMemo } from "react";
import { IconButton } from "../../../design/controls.tsx";
import { Name } from "../../../design/display.tsx";
import { tell, tellFailure } from "../../../design/overlays.tsx";
import { shown as visible } from "../../../design/shown.ts";
import { type Column, isNested, isNull, textOf } from "../result/column.ts";
import css from "./grid.module.css";

const longestShown = 200_000;

/** One value, whole; a nested one as a tree of lines. */
export function ValuePanel({
  column,
  row,
  onClose,
}: {
  readonly column: Column;
  readonly row: number;
  readonly onClose: () => void;
}): ReactNode {
  const text = useMemo(() => (isNull(column, row) ? null : textOf(column, row)), [column, row]);
  const shown = useMemo(() => (text === null ? null : laidOut(text, isNested(column))), [text, column]);
  const copy = () => navigator.clipboard.writeText(text ?? "").then(() => tell("Copied the value"), tellFailure);
  return (
    <aside className={css.panel} aria-label="Value">
      <div className={css.panelHead}>
        <h2>
          <Name>{column.name}</Name>{" "}
          <small className={css.panelType}>
            <Name>{column.type}</Name>
          </small>
        </h2>
        <div>
          <IconButton small icon="copy" label="Copy the value" onClick={() => void copy()} />
          <IconButton small icon="close" label="Close the value" onClick={onClose} />
        </div>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <pre className={css.value} tabIndex={0}>
        {shown === null ? (
          <i className={css.null}>null</i>
        ) : shown === "" ? (
          <i className={css.null}>empty text</i>
        ) : (
          visible(shown)
        )}
      </pre>
    </aside>
  );
}

function laidOut(text: string, isTree: boolean): string {
  const whole = isTree || /^\s*[[{]/.test(text) ? indented(text) : text;
  if (whole.length <= longestShown) return whole;
  return `${whole.slice(0, longestShown)}\n… ${(whole.length - longestShown).toLocaleString("en")} characters more: copy it to see them`;
}

/** JSON over several lines. Its tokens stay as they are: parsing would round long numbers. Other text stays whole. */
function indented(text: string): string {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  return text.replace(/"(?:[^"\\]|\\.)*"|\[\s*\]|\{\s*\}|[[\]{},:]|\s+|[^\s"[\]{},:]+/g, (token) => {
    switch (token) {
      case "{":
      case "[":
        depth++;
        return token + line();
      case "}":
      case "]":
        depth--;
        return line() + token;
      case ",":
        return token + line();
      case ":":
        return ": ";
      default:
        return token.trim();
    }
  });
}
