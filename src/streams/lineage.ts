import type { DatasetPath } from "../base/index.ts";
import { foldName, isNode, nodesOf, type TreeNode, type TreeValue, textOf } from "../compiler/index.ts";
import { systemColumns } from "../slices/index.ts";

/** A column of an input. */
export interface ColumnSource {
  readonly dataset: DatasetPath;
  readonly column: string;
}

/** Which input columns a value comes of; null: its text does not tell. Empty: of none, as a constant. */
export type Sources = readonly ColumnSource[] | null;

/** A column that a SELECT makes; `name` null: DuckDB names it by its text. */
export interface MadeColumn {
  readonly name: string | null;
  readonly sources: Sources;
}

/** What a name in FROM stands for; `columns` null: the text does not tell which there are. */
interface Relation {
  /** Folded names by which it can be said, the shortest first. */
  readonly names: readonly string[];
  readonly columns: readonly MadeColumn[] | null;
  /** What any column of it comes of, where `columns` is null. */
  readonly any: Sources;
}

/** Relations by the query whose FROM they stand in, the nearest first: a nearer column hides one of its name further out. */
type Levels = readonly (readonly Relation[])[];

/** What a query may name: its inputs' columns, and the CTEs around it. */
interface Scope {
  readonly inputs: (path: DatasetPath) => readonly string[] | null;
  /** Of a name as the text says it. */
  readonly pathOf: (project: string, dataset: string) => DatasetPath;
  readonly ctes: ReadonlyMap<string, readonly MadeColumn[] | null>;
  /** Relations of the queries around it, the nearest first: a lateral subquery may name them. */
  readonly around: Levels;
  readonly depth: number;
}

/** Deeper queries are not looked into. */
const deepest = 32;
const windows = new Set(["tumble", "hop", "session"]);

/**
 * The columns that a query makes, each with the input columns that its expression mentions: what filters, joins or orders rows is
 * no source. Null where the text does not tell which columns there are.
 */
export function columnLineage(
  node: TreeNode,
  { inputs, pathOf }: Pick<Scope, "inputs" | "pathOf">,
): readonly MadeColumn[] | null {
  return queryColumns(node, { inputs, pathOf, ctes: new Map(), around: [], depth: 0 });
}

function queryColumns(node: TreeNode, outer: Scope): readonly MadeColumn[] | null {
  if (outer.depth >= deepest) return null;
  const scope = withCtes(node, { ...outer, depth: outer.depth + 1 });
  switch (node.type) {
    case "SELECT_NODE":
      return selectColumns(node, scope);
    case "SET_OPERATION_NODE":
      return unionColumns(node, scope);
    default:
      return null;
  }
}

function withCtes(node: TreeNode, scope: Scope): Scope {
  const ctes = new Map(scope.ctes);
  for (const { key, value } of isNode(node.cte_map) ? nodesOf(node.cte_map.map) : []) {
    const query = isNode(value) && isNode(value.query) ? value.query.node : undefined;
    const columns = isNode(query) ? queryColumns(query, { ...scope, ctes }) : null;
    ctes.set(foldName(String(key)), renamed(columns, isNode(value) ? value.aliases : undefined));
  }
  return { ...scope, ctes };
}

function unionColumns(node: TreeNode, scope: Scope): readonly MadeColumn[] | null {
  const [left, right] = [node.left, node.right].map((side) => (isNode(side) ? queryColumns(side, scope) : null));
  if (!left || !right) return null;
  const isByName = textOf(node, "setop_type").endsWith("BY_NAME");
  // What is taken away or compared is no source; the left side's rows are what is left.
  if (!textOf(node, "setop_type").startsWith("UNION")) return left;
  if (!isByName)
    return left.map(({ name, sources }, at) => ({ name, sources: both(sources, right[at]?.sources ?? null) }));
  const other = (name: string | null) => right.find((one) => name !== null && isSame(one.name, name));
  const merged = left.map((one) => {
    const found = other(one.name);
    return found === undefined ? one : { ...one, sources: both(one.sources, found.sources) };
  });
  return [...merged, ...right.filter(({ name }) => !left.some((one) => name !== null && isSame(one.name, name)))];
}

function selectColumns(node: TreeNode, scope: Scope): readonly MadeColumn[] | null {
  const relations = isNode(node.from_table) ? fromRelations(node.from_table, scope) : [];
  const within = [relations, ...scope.around];
  const made: MadeColumn[] = [];
  for (const item of nodesOf(node.select_list)) {
    if (item.class === "STAR") {
      const all = starColumns(item, relations, within);
      if (all === null) return null;
      made.push(...all);
    } else made.push({ name: nameOf(item), sources: sourcesOf(item, within, made) });
  }
  return made;
}

function nameOf(item: TreeNode): string | null {
  const alias = textOf(item, "alias");
  if (alias !== "") return alias;
  return item.class === "COLUMN_REF" && Array.isArray(item.column_names)
    ? String(item.column_names.at(-1) ?? "")
    : null;
}

/** `*`, `t.*`, with EXCLUDE, REPLACE and RENAME. */
function starColumns(star: TreeNode, relations: readonly Relation[], within: Levels): readonly MadeColumn[] | null {
  if (star.columns === true || isNode(star.expr)) return null;
  const only = foldName(textOf(star, "relation_name"));
  const meant =
    only === ""
      ? relations
      : within
          .flat()
          .filter(({ names }) => names.includes(only))
          .slice(0, 1);
  const columns = meant.map((one) => one.columns);
  if (columns.length === 0 || columns.some((one) => one === null)) return null;
  const left = new Set(Array.isArray(star.exclude_list) ? star.exclude_list.map((one) => foldName(String(one))) : []);
  for (const one of nodesOf(star.qualified_exclude_list)) left.add(foldName(textOf(one, "column")));
  const replaced = new Map(nodesOf(star.replace_list).map(({ key, value }) => [foldName(String(key)), value]));
  const renames = new Map(
    nodesOf(star.rename_list).map(({ key, value }) => [isNode(key) ? foldName(textOf(key, "column")) : "", value]),
  );
  return columns
    .flatMap((one) => one ?? [])
    .filter(({ name }) => !left.has(foldName(name ?? "")))
    .map((column) => {
      const name = foldName(column.name ?? "");
      const value = replaced.get(name);
      const to = renames.get(name);
      return {
        name: typeof to === "string" ? to : column.name,
        sources: value === undefined ? column.sources : sourcesOf(value, within, []),
      };
    });
}

/** The relations of a FROM, those on the left before those on the right, which may name them. */
function fromRelations(table: TreeNode, scope: Scope): readonly Relation[] {
  const alias = textOf(table, "alias");
  switch (table.type) {
    case "EMPTY":
      return [];
    case "BASE_TABLE":
      return [named(table, [alias || textOf(table, "table_name")], baseColumns(table, scope))];
    case "SUBQUERY": {
      const inner = isNode(table.subquery) ? table.subquery.node : undefined;
      return [named(table, [alias], isNode(inner) ? queryColumns(inner, scope) : null)];
    }
    case "JOIN": {
      const left = isNode(table.left) ? fromRelations(table.left, scope) : [];
      const beside = { ...scope, around: [left, ...scope.around] };
      return [...left, ...(isNode(table.right) ? fromRelations(table.right, beside) : [])];
    }
    case "TABLE_FUNCTION":
      return [functionRelation(table, scope)];
    case "EXPRESSION_LIST":
      return [named(table, [alias], valuesColumns(table, scope))];
    default:
      return [{ names: [foldName(alias)], columns: null, any: null }];
  }
}

function named(table: TreeNode, names: readonly string[], columns: readonly MadeColumn[] | null): Relation {
  return {
    names: names.map(foldName),
    columns: renamed(columns, table.column_name_alias),
    any: null,
  };
}

/** The first columns by the names that `AS t (a, b)` gives them. */
function renamed(columns: readonly MadeColumn[] | null, names: TreeValue | undefined): readonly MadeColumn[] | null {
  if (columns === null || !Array.isArray(names)) return columns;
  return columns.map((column, at) => ({ ...column, name: typeof names[at] === "string" ? names[at] : column.name }));
}

function baseColumns(table: TreeNode, scope: Scope): readonly MadeColumn[] | null {
  const [project, name] = [textOf(table, "schema_name"), textOf(table, "table_name")];
  if (project === "" && scope.ctes.has(foldName(name))) return scope.ctes.get(foldName(name)) ?? null;
  return datasetColumns(project, name, scope);
}

/** VALUES (...), (...): a column comes of what any of its rows mentions. */
function valuesColumns({ values }: TreeNode, scope: Scope): readonly MadeColumn[] {
  const rows = Array.isArray(values) ? values.filter(Array.isArray) : [];
  const of = (at: number) =>
    sourcesOf(
      rows.map((row) => row[at] ?? null),
      scope.around,
      [],
    );
  return (rows[0] ?? []).map((_, at) => ({ name: `col${at}`, sources: of(at) }));
}

function datasetColumns(project: string, name: string, scope: Scope): readonly MadeColumn[] | null {
  const dataset = scope.pathOf(project, name);
  return scope.inputs(dataset)?.map((column) => ({ name: column, sources: [{ dataset, column }] })) ?? null;
}

/** A window over a dataset, or a list taken apart. */
function functionRelation(table: TreeNode, scope: Scope): Relation {
  const call = isNode(table.function) ? table.function : {};
  const [name, args] = [textOf(call, "function_name").toLowerCase(), nodesOf(call.children)];
  const [first, time] = args;
  const path = first?.class === "COLUMN_REF" && Array.isArray(first.column_names) ? first.column_names.map(String) : [];
  if (windows.has(name) && path.length === 2) {
    const own = datasetColumns(path[0] ?? "", path[1] ?? "", scope);
    const said = textOf(table, "alias") || (path[1] ?? "");
    if (own === null) return named(table, [said], null);
    const input: Relation = { names: [], columns: own, any: null };
    const sources = time === undefined ? null : sourcesOf(time, [[input]], []);
    const bounds = ["window_start", "window_end"].map((column) => ({ name: column, sources }));
    return named(table, [said], [...own, ...bounds]);
  }
  const any =
    name === "unnest" ? args.reduce<Sources>((all, one) => both(all, sourcesOf(one, scope.around, [])), []) : null;
  const given = Array.isArray(table.column_name_alias) ? table.column_name_alias.map(String) : [];
  const columns = given.length === 0 ? null : given.map((column) => ({ name: column, sources: any }));
  return { names: [foldName(textOf(table, "alias") || name)], columns, any };
}

/**
 * All columns that an expression mentions. `made` are the columns before it in its SELECT, which it may name where no relation has
 * such a column.
 */
function sourcesOf(value: TreeValue | undefined, relations: Levels, made: readonly MadeColumn[]): Sources {
  if (Array.isArray(value)) return value.reduce<Sources>((all, one) => both(all, sourcesOf(one, relations, made)), []);
  if (!isNode(value)) return [];
  if (value.class === "SUBQUERY" || value.class === "STAR") return null;
  if (value.class === "LAMBDA") return lambdaSources(value, relations, made);
  if (value.class === "COLUMN_REF" && Array.isArray(value.column_names))
    return referenced(value.column_names.map(String), relations, made);
  return sourcesOf(Object.values(value), relations, made);
}

/** Its parameters are no columns. */
function lambdaSources(lambda: TreeNode, relations: Levels, made: readonly MadeColumn[]): Sources {
  const parameters: MadeColumn[] = [];
  const walk = (value: TreeValue | undefined): void => {
    if (Array.isArray(value)) for (const one of value) walk(one);
    else if (isNode(value)) {
      if (value.class === "COLUMN_REF") parameters.push({ name: nameOf(value), sources: [] });
      else walk(Object.values(value));
    }
  };
  walk(lambda.lhs);
  return sourcesOf(lambda.expr, [[{ names: [], columns: parameters, any: null }], ...relations], made);
}

/** `a`, `t.a`, `p.t.a`, each maybe with members of a struct behind it. */
function referenced(path: readonly string[], levels: Levels, made: readonly MadeColumn[]): Sources {
  const [first = "", second, third] = path;
  const relations = levels.flat();
  // A name may be said of its relation, with the relation's project before it, or alone.
  if (third !== undefined) {
    const found = columnOf(relations, second ?? "", third);
    if (found !== undefined) return found;
  }
  if (second !== undefined) {
    const found = columnOf(relations, first, second);
    if (found !== undefined) return found;
  }
  return alone(first, levels) ?? made.find(({ name }) => isSame(name, first))?.sources ?? null;
}

function columnOf(relations: readonly Relation[], relation: string, column: string): Sources | undefined {
  const found = relations.find(({ names }) => names.includes(foldName(relation)));
  if (found === undefined) return undefined;
  if (found.columns === null) return found.any;
  return found.columns.find(({ name }) => isSame(name, column))?.sources;
}

function alone(column: string, levels: Levels): Sources | undefined {
  for (const relations of levels) {
    const found = relations.flatMap(({ columns }) => columns?.filter(({ name }) => isSame(name, column)) ?? []);
    // One that USING makes of two comes of both.
    if (found.length > 0) return found.reduce<Sources>((all, { sources }) => both(all, sources), []);
    // Whatever has columns that the text does not tell may have it.
    const open = relations.filter(({ columns }) => columns === null);
    if (open.length > 0) return open.length === 1 ? open[0]?.any : null;
  }
  return undefined;
}

function both(some: Sources, more: Sources): Sources {
  if (some === null || more === null) return null;
  const has = (one: ColumnSource) =>
    some.some(
      ({ dataset, column }) =>
        column === one.column && dataset.project === one.dataset.project && dataset.dataset === one.dataset.dataset,
    );
  return [...some, ...more.filter((one) => !has(one))];
}

const isSame = (one: string | null, other: string) => one !== null && foldName(one) === foldName(other);

/** A column of a derivative, and what it comes of. */
export interface DerivedColumn {
  readonly name: string;
  readonly sources: Sources;
}

/**
 * The columns of a derivative's schema, each with what the SELECT makes it of. Those that DuckDB named are found by their place, as
 * long as the schema has as many columns as the SELECT makes.
 */
export function derivedColumns(own: readonly string[], made: readonly MadeColumn[] | null): readonly DerivedColumn[] {
  const mine = (made ?? []).filter(({ name }) => name === null || !systemColumns.includes(foldName(name)));
  return own.map((name, at) => {
    const found = mine.filter((one) => isSame(one.name, name));
    const there = mine.length === own.length && mine[at]?.name === null ? mine[at] : undefined;
    return { name, sources: (found.length === 1 ? found[0] : there)?.sources ?? null };
  });
}
