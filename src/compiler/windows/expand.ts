import type { Statement } from "../parse/statement.ts";
import type { Reference } from "../resolve/references.ts";
import { Builder, named } from "../tree/build.ts";
import { foldName, isNode, locationOf, type TreeNode, type TreeValue, textOf } from "../tree/tree.ts";
import { namesOf, readWindowCall, type WindowArguments, type WindowShape } from "./call.ts";

/** A window function in FROM, and the subquery that took its place. */
export interface WindowCall {
  readonly shape: WindowShape;
  readonly timeColumn: string;
  /** What names its rows: a BASE_TABLE like any other, to be resolved. */
  readonly table: TreeNode;
  /** What stands in FROM now. */
  readonly subquery: TreeNode;
  /** The query whose FROM it stands in. */
  readonly select: TreeNode | null;
  /** The `*` that brings the rows' own columns. */
  readonly star: TreeNode;
}

/** The columns that a window function adds. */
export const windowColumns = ["window_start", "window_end"] as const;

/** Columns on the way, which no user can name: a colon keeps them apart. */
const [time, first, start] = ["mr:at", "mr:first", "mr:start"];

/** In microseconds from 1970, either way: beyond it a window's ends would be no times. Nulls and infinite times are not within. */
const farthestTime = "9200000000000000000";

/**
 * Puts a SELECT over the named rows in the place of every `tumble(...)`, `hop(...)` and `session(...)` in FROM: all their
 * columns, and `window_start` and `window_end`; a row whose time is null or infinite is in no window. In whole microseconds,
 * which DuckDB counts several times faster than its `time_bucket`. What is put in is built of names and numbers alone, none of
 * the statement's own expressions, and goes through the gate like the rest.
 * @throws sql_binding with the place of a wrong argument
 */
export function expandWindows(statement: Statement): WindowCall[] {
  const found: WindowCall[] = [];
  collect(statement, statement.node, null, found);
  return found;
}

/**
 * A reference as what filters its rows sees it: a condition on a tumbling or hopping window's rows is one on the dataset's. (A
 * session's rows are in the windows that their neighbours make.)
 */
export function referenceBehindWindow(reference: Reference, windows: readonly WindowCall[]): Reference {
  const window = windows.find(({ table }) => table === reference.table);
  if (window === undefined || window.shape.kind === "session") return reference;
  return { table: window.subquery, select: window.select, added: windowColumns };
}

/** Columns of a window function hide those of its rows that have their names. `columns`: the rows' own, once they are known. */
export function hideBehindWindow({ star }: WindowCall, columns: Iterable<string>): void {
  const taken = new Set<string>(windowColumns);
  if (star.columns === true) return;
  const hidden = [...columns].filter((column) => taken.has(column.toLowerCase()));
  star.exclude_list = [...(Array.isArray(star.exclude_list) ? star.exclude_list : []), ...hidden];
}

function collect(statement: Statement, value: TreeValue, select: TreeNode | null, found: WindowCall[]): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(statement, item, select, found);
    return;
  }
  if (!isNode(value)) return;
  const call = readWindowCall(statement, value);
  if (call !== null) {
    found.push({ ...expand(value, call), select });
    return;
  }
  const nearest = value.type === "SELECT_NODE" ? value : select;
  for (const part of Object.values(value)) collect(statement, part, nearest, found);
}

/** Makes the reference a subquery, alias and column aliases kept. */
function expand(reference: TreeNode, asked: WindowArguments): Omit<WindowCall, "select"> {
  const { column_name_alias, sample } = reference;
  const call = isNode(reference.function) ? reference.function : reference;
  const alias = textOf(reference, "alias") || foldName(textOf(call, "function_name"));
  const expansion = new Expansion(asked);
  const subquery = new Builder(locationOf(reference) ?? 0).subquery(expansion.select(), alias);
  for (const member of Object.keys(reference)) delete reference[member];
  Object.assign(reference, subquery, { column_name_alias: column_name_alias ?? [], sample: sample ?? null });
  const { shape, timeColumn } = asked;
  return { shape, timeColumn, table: expansion.table, subquery: reference, star: expansion.star };
}

class Expansion {
  readonly #build: Builder;
  readonly #name: string;
  readonly #timeColumn: string;
  readonly #shape: WindowShape;
  readonly table: TreeNode;
  readonly star: TreeNode;

  constructor({ rows, timeColumn, shape }: WindowArguments) {
    const [name = "", schema = ""] = [...(namesOf(rows) ?? [])].reverse();
    this.#build = new Builder(locationOf(rows) ?? 0);
    this.#name = name;
    this.#timeColumn = timeColumn;
    this.#shape = shape;
    this.table = this.#build.table(schema, name);
    const passing = shape.kind === "session" ? [time, first, start] : [];
    // A CTE's columns are told by nobody; a dataset's are hidden once it is resolved.
    this.star = schema === "" ? this.#build.starWithout(...windowColumns, ...passing) : this.#build.star(...passing);
  }

  select(): TreeNode {
    const shape = this.#shape;
    switch (shape.kind) {
      case "tumble":
        return this.#tumble(1000 * shape.sizeMs);
      case "hop":
        return this.#hop(1000 * shape.slideMs, 1000 * shape.sizeMs);
      case "session":
        return this.#session(1000 * shape.gapMs, shape.partition);
    }
  }

  #tumble(size: number): TreeNode {
    const ends = this.#ends(this.#newest(size, 0), this.#newest(size, size));
    return this.#build.select([this.star, ...ends], this.table, this.#isInWindow());
  }

  /** The window that began last, and those before it that have not ended, oldest first. */
  #hop(slide: number, size: number): TreeNode {
    const each = (from: number) => {
      const [low, high] = [this.#newest(slide, from), this.#newest(slide, from + size)];
      return this.#build.call("unnest", this.#build.call("range", low, high, this.#build.whole(slide)));
    };
    const ends = this.#ends(each(slide - size), each(slide));
    return this.#build.select([this.star, ...ends], this.table, this.#isInWindow());
  }

  /** Rows of one time go together whatever their order: each step looks at all rows up to that time. */
  #session(gap: number, partition: readonly string[]): TreeNode {
    const build = this.#build;
    const of = (name: string) => build.column(this.#name, name);
    const alike = () => partition.map(of);
    const timed = build.select([build.star(), named(this.#microseconds(), time)], this.table, this.#isInWindow());
    const behind = build.call("-", of(time), build.over("lag", of(time), alike(), of(time)));
    const isFirst = build.whenLess(behind, build.whole(gap), build.nothing(), of(time));
    const opened = build.select([build.star(), named(isFirst, first)], build.subquery(timed, this.#name));
    const since = build.over("max", of(first), alike(), of(time));
    const joined = build.select([build.star(), named(since, start)], build.subquery(opened, this.#name));
    const last = build.over("max", of(time), [...alike(), of(start)]);
    const ends = this.#ends(of(start), build.call("+", last, build.whole(gap)));
    return build.select([this.star, ...ends], build.subquery(joined, this.#name));
  }

  #ends(from: TreeNode, to: TreeNode): TreeNode[] {
    const [startName, endName] = windowColumns;
    return [
      named(this.#build.call("make_timestamptz", from), startName),
      named(this.#build.call("make_timestamptz", to), endName),
    ];
  }

  #microseconds(): TreeNode {
    const column = this.#build.column(this.#name, this.#timeColumn);
    return this.#build.call("epoch_us", this.#build.cast(column, "TIMESTAMP WITH TIME ZONE"));
  }

  #isInWindow(): TreeNode {
    const bound = (text: string) => this.#build.cast(this.#build.text(text), "BIGINT");
    return this.#build.between(this.#microseconds(), bound(`-${farthestTime}`), bound(farthestTime));
  }

  /** The newest multiple of `step` at or before the row's time, and `more`. */
  #newest(step: number, more: number): TreeNode {
    const build = this.#build;
    const whole = () => build.whole(step);
    // % has its left side's sign.
    const back = build.call("%", build.call("+", build.call("%", this.#microseconds(), whole()), whole()), whole());
    return build.call("+", build.call("-", this.#microseconds(), back), build.whole(more));
  }
}
