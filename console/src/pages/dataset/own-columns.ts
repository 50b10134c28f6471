/** What the platform adds to every row. */
export const ownColumns: ReadonlySet<string> = new Set(["offset", "op", "system_time", "event_time"]);

/** The data's own columns first: they are what people look for. */
export function ownLast<Column extends { readonly name: string }>(columns: readonly Column[]): Column[] {
  return [
    ...columns.filter(({ name }) => !ownColumns.has(name)),
    ...columns.filter(({ name }) => ownColumns.has(name)),
  ];
}
