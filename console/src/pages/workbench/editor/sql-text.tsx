import { highlightCode, tagHighlighter, tags } from "@lezer/highlight";
import type { ReactNode } from "react";
import { shown } from "../../../design/shown.ts";
import { dialect } from "./dialect.ts";
import css from "./sql-text.module.css";

/** The editor's colours as classes of a sheet: a text that is only read needs no editor. */
const classes = tagHighlighter([
  { tag: tags.keyword, class: css.keyword ?? "" },
  { tag: [tags.string, tags.special(tags.string)], class: css.string ?? "" },
  { tag: [tags.number, tags.bool, tags.null], class: css.number ?? "" },
  { tag: tags.comment, class: css.comment ?? "" },
  { tag: [tags.typeName, tags.standard(tags.name)], class: css.type ?? "" },
  { tag: [tags.operator, tags.punctuation], class: css.sign ?? "" },
]);

/** SQL to be read, coloured as the editor colours it. */
export default function SqlText({ sql, label }: { readonly sql: string; readonly label: string }): ReactNode {
  const parts: ReactNode[] = [];
  const put = (text: string, name: string) =>
    parts.push(
      name === "" ? (
        shown(text)
      ) : (
        <span key={parts.length} className={name}>
          {shown(text)}
        </span>
      ),
    );
  highlightCode(sql, dialect.language.parser.parse(sql), classes, put, () => parts.push("\n"));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section className={css.sql} tabIndex={0} aria-label={label}>
      <pre>
        <code dir="ltr">{parts}</code>
      </pre>
    </section>
  );
}
