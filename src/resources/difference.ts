/** One member that differs. */
export interface Difference {
  /** As in `spec.columns`. */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** Member by member; lists are compared whole. */
export function differences(path: string, before: unknown, after: unknown): Difference[] {
  if (same(before, after)) return [];
  const nested = [before, after].every((value) => value === undefined || isTree(value));
  const names = [...new Set([...Object.keys(members(before)), ...Object.keys(members(after))])];
  if (!nested || names.length === 0) return [{ path, before, after }];
  return names.flatMap((name) => differences(`${path}.${name}`, members(before)[name], members(after)[name]));
}

/** Equal as JSON, whatever the order of members. */
export function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

export function members(value: unknown): Readonly<Record<string, unknown>> {
  return isTree(value) ? { ...value } : {};
}

function isTree(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_, inner: unknown) =>
    isTree(inner) ? Object.fromEntries(Object.entries(inner).sort(([x], [y]) => (x < y ? -1 : 1))) : inner,
  );
}
