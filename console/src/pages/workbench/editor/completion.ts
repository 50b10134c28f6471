import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import type { SQLNamespace } from "@codemirror/lang-sql";
import { quoteName } from "../../../api/sql.ts";
import { functionNames } from "./functions.ts";

export interface CatalogDataset {
  readonly project: string;
  readonly dataset: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
}

/** Names that SQL takes without quotes. A reserved word is quoted, too. */
const plain = /^[a-z_][a-z0-9_]*$/;
const reserved = new Set(
  `all analyse analyze and any array as asc both case cast check collate column constraint create default deferrable desc describe
  distinct do else end except false fetch for foreign from grant group having in initially intersect into lambda lateral leading
  limit not null offset on only or order pivot placing primary qualify references returning select show some summarize symmetric
  table then to trailing true union unique unpivot using variadic when where window with`.split(/\s+/),
);

/** A name as a person would write it. */
export const written = (name: string): string => (plain.test(name) && !reserved.has(name) ? name : quoteName(name));

const named = (name: string, type: string, rest: Partial<Completion> = {}): Completion => {
  const text = written(name);
  return { label: name, type, ...(text === name ? {} : { apply: text }), ...rest };
};

/** Projects, their datasets, their columns, as the editor's language completes behind dots. */
export function namespaceOf(datasets: readonly CatalogDataset[]): SQLNamespace {
  const projects = Map.groupBy(datasets, ({ project }) => project);
  return Object.fromEntries(
    Array.from(projects, ([project, list]): [string, SQLNamespace] => [
      project,
      {
        self: named(project, "namespace"),
        children: Object.fromEntries(
          list.map(({ dataset, columns }): [string, SQLNamespace] => [
            dataset,
            {
              self: named(dataset, "type"),
              children: columns.map(({ name, type }) => named(name, "property", { detail: type })),
            },
          ]),
        ),
      },
    ]),
  );
}

const mostColumns = 2_000;

/** The columns of the datasets that a text names. */
export function columnsNamed(text: string, datasets: readonly CatalogDataset[]): Completion[] {
  const lower = text.toLowerCase();
  const found = new Map<string, Completion>();
  for (const { project, dataset, columns } of datasets) {
    if (!lower.includes(dataset.toLowerCase()) || !lower.includes(project.toLowerCase())) continue;
    for (const { name, type } of columns) {
      if (found.size >= mostColumns) return [...found.values()];
      if (!found.has(name)) found.set(name, named(name, "property", { detail: type, boost: 2 }));
    }
  }
  return [...found.values()];
}

const functions: readonly Completion[] = functionNames.map((name) => ({
  label: name,
  type: "function",
  apply: `${name}(`,
  boost: -1,
}));

/** Columns and functions, where no dot stands before the word. */
export const plainNames =
  (datasets: () => readonly CatalogDataset[]) =>
  (context: CompletionContext): CompletionResult | null => {
    const word = context.matchBefore(/[\w"]+/);
    if (word === null && !context.explicit) return null;
    const from = word?.from ?? context.pos;
    if (context.state.sliceDoc(Math.max(0, from - 1), from) === ".") return null;
    const options = [...columnsNamed(context.state.doc.toString(), datasets()), ...functions];
    return { from, options, validFor: /^\w*$/ };
  };
