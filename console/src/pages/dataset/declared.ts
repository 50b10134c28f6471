export interface Declared {
  readonly name: string;
  readonly type: string;
}

/** The columns that a Dataset's definition declares. */
export function declaredIn(spec: unknown): readonly Declared[] {
  const { columns } = (spec ?? {}) as { readonly columns?: readonly Declared[] };
  return columns ?? [];
}

/** The definition with a type for a column, or with none; the rest of it stays as it was. */
export function withType(spec: unknown, name: string, type: string | null): Record<string, unknown> {
  const { columns: _, ...rest } = (spec ?? {}) as Record<string, unknown>;
  // A column's name is told apart without regard to case, as SQL does.
  const others = declaredIn(spec).filter((one) => one.name.toLowerCase() !== name.toLowerCase());
  const columns = type === null ? others : [...others, { name, type }];
  return columns.length === 0 ? rest : { ...rest, columns };
}
