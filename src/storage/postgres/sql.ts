import { createHash } from "node:crypto";
import pg from "pg";

export type JSONValue =
  | null
  | string
  | number
  | boolean
  | readonly JSONValue[]
  | { readonly [name: string]: JSONValue | undefined };

/** JSON on its way into the database; `null` goes as NULL. */
export class Json {
  readonly value: JSONValue;

  constructor(value: JSONValue) {
    this.value = value;
  }
}

/** Rows on their way into a table: `(columns) VALUES (...), (...)`. */
export class Inserted {
  readonly rows: readonly object[];
  readonly columns: readonly string[];

  constructor(rows: readonly object[], columns: readonly string[]) {
    this.rows = rows;
    this.columns = columns.length > 0 ? columns : Object.keys(rows[0] ?? {});
  }
}

/** A value that is sent beside the statement, never within its text. */
export type Value = string | number | bigint | boolean | null | Date | Uint8Array | readonly string[] | Json;

/** The rows of an answer; `count` is the number that the command's tag tells, also where no rows come. */
export type Rows<Shape extends readonly object[]> = Shape & { readonly count: number };

/** Statements of one kind of session: alone, in a transaction, in a reserved connection. */
export interface Statements {
  /** A statement of one place in the code: what stands in braces is sent as a value. It begins at once. */
  <Shape extends readonly object[] = readonly object[]>(
    template: TemplateStringsArray,
    ...values: readonly (Value | Inserted)[]
  ): Promise<Rows<Shape>>;
  (rows: readonly object[], ...columns: readonly string[]): Inserted;
  json(value: JSONValue): Json;
  /** A text as it stands, also of several statements; the rows of the last one. Never with anything of a user's in it. */
  unsafe<Shape extends readonly object[] = readonly object[]>(text: string): Promise<Rows<Shape>>;
}

export interface ReservedSql extends Statements {
  release(): void;
}

export interface Sql extends Statements {
  /**
   * Runs a function's statements in one transaction, and commits when it resolves. It is undone where the function rejects,
   * where a statement has failed, whoever caught that, and where the connection is lost.
   */
  begin<Result>(work: (transaction: Statements) => Promise<Result>): Promise<Result>;
  /** A connection of one's own until it is released. */
  reserve(): Promise<ReservedSql>;
  /** Calls back for each notification, and after each time that some may have been missed. */
  listen(channel: string, notified: () => void): Promise<{ unlisten(): Promise<void> }>;
  /** Waits for the statements that run, at most `timeoutMs` (5,000 where it is not said), and closes every connection. */
  end(options?: { readonly timeoutMs?: number }): Promise<void>;
}

export type Execute = (query: pg.QueryConfig<unknown[]> | string) => Promise<pg.QueryResult | pg.QueryResult[]>;

/** The template tag over a way to run a statement. */
export function statementsOver(execute: Execute): Statements {
  function sql<Shape extends readonly object[]>(
    template: TemplateStringsArray,
    ...values: readonly (Value | Inserted)[]
  ): Promise<Rows<Shape>>;
  function sql(rows: readonly object[], ...columns: readonly string[]): Inserted;
  function sql(first: TemplateStringsArray | readonly object[], ...rest: readonly unknown[]): unknown {
    if (isTemplate(first)) return execute(written(first, rest)).then(rowsOf);
    return new Inserted(first, rest.map(String));
  }
  return Object.assign(sql, {
    json: (value: JSONValue) => new Json(value),
    unsafe: <Shape extends readonly object[]>(text: string) => execute(text).then(rowsOf<Shape>),
  });
}

function isTemplate(value: TemplateStringsArray | readonly object[]): value is TemplateStringsArray {
  return "raw" in value;
}

function rowsOf<Shape extends readonly object[]>(answer: pg.QueryResult | pg.QueryResult[]): Rows<Shape> {
  const last = Array.isArray(answer) ? answer.at(-1) : answer;
  const rows: Shape & { count?: number } = Object.assign(last?.rows ?? []);
  return Object.defineProperty(rows, "count", { value: last?.rowCount ?? 0 }) as Rows<Shape>; // set on this line
}

/** Of a statement that is the same at each call, so that the server parses it once a connection. */
const prepared = new WeakMap<TemplateStringsArray, { readonly name: string; readonly text: string }>();

function written(template: TemplateStringsArray, values: readonly unknown[]): pg.QueryConfig<unknown[]> {
  const sent: unknown[] = [];
  const parts = values.map((value) => placed(value, sent));
  const known = prepared.get(template);
  if (known !== undefined) return { ...known, values: sent };
  const text = template.reduce((whole, part, at) => whole + String(parts[at - 1]) + part);
  if (values.some((value) => value instanceof Inserted)) return { text, values: sent };
  const statement = { name: createHash("sha256").update(text).digest("hex").slice(0, 40), text };
  prepared.set(template, statement);
  return { ...statement, values: sent };
}

function placed(value: unknown, sent: unknown[]): string {
  if (!(value instanceof Inserted)) return `$${sent.push(encoded(value))}`;
  const { rows, columns } = value;
  if (rows.length === 0 || columns.length === 0) throw new RangeError("There are no rows to insert.");
  const lists = rows.map((row) =>
    columns.map((column) => `$${sent.push(encoded(Reflect.get(row, column)))}`).join(", "),
  );
  return `(${columns.map(pg.escapeIdentifier).join(", ")}) VALUES ${lists.map((list) => `(${list})`).join(", ")}`;
}

/** As the client sends it. Times go in UTC, whatever the zone of this process. */
function encoded(value: unknown): unknown {
  if (value === undefined) throw new TypeError("A value of a statement is undefined.");
  if (value instanceof Json) return value.value === null ? null : JSON.stringify(value.value);
  if (value instanceof Date) return value.toISOString();
  return value;
}
