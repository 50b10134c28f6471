import type { Answer, Handler } from "./database.ts";
import type { Row } from "./transaction.ts";
import type { View } from "./view.ts";

/** JSON on its way into the database. */
export class Json {
  readonly text: string;

  constructor(value: unknown) {
    this.text = JSON.stringify(value);
  }
}

/** `sql(rows, ...columns)`: rows to be inserted. */
export class Rows {
  readonly rows: readonly Row[];

  constructor(rows: readonly Row[]) {
    this.rows = rows;
  }
}

const handlers = new Map<TemplateStringsArray, Handler>();

/**
 * Says what a statement of a room does. It is known by its template, which is one object for each place in the code: the
 * statement is called once with values that mean nothing, to learn it. A statement that was changed is another one only
 * where its text is read; conformance.test.ts tells when its meaning is no longer this.
 */
export function means(statement: Statement, handler: Handler): void {
  handlers.set(templateOf(statement), handler);
}

type Statement = (sql: never, ...values: never[]) => unknown;

function templateOf(statement: Statement): TemplateStringsArray {
  let template: TemplateStringsArray | null = null;
  const learning = (first: unknown) => {
    if (isTemplate(first)) template = first;
    return anything;
  };
  const sql = Object.assign(learning, { json: () => anything });
  Reflect.apply(statement, undefined, [sql, anything, anything, anything, anything, anything]);
  if (template === null) throw new Error(`${statement.name} is no statement`);
  return template;
}

export function isKnown(statement: Statement): boolean {
  return handlers.has(templateOf(statement));
}

export function handlerOf(template: TemplateStringsArray): Handler {
  const handler = handlers.get(template);
  if (handler !== undefined) return handler;
  throw new Error(`the simulated database does not know the statement "${template.join("?").trim()}"`);
}

export function isTemplate(value: unknown): value is TemplateStringsArray {
  return Array.isArray(value) && "raw" in value;
}

/** Stands for any value while a statement is learnt: an object of which every member is one too, and a list of nothing. */
const anything: object = new Proxy(
  {},
  {
    get: (_target, name) => {
      if (name === Symbol.iterator) return () => [][Symbol.iterator]();
      if (name === Symbol.toPrimitive) return () => "0";
      return ["map", "filter", "flatMap", "slice", "valueOf"].includes(String(name)) ? () => anything : anything;
    },
  },
);

export const none: Answer = { rows: [], count: 0 };
export const counted = (count: number): Answer => ({ rows: [], count });
export const answered = (rows: readonly Row[]): Answer => ({ rows, count: rows.length });

/** Values as the wire has them. @throws on one of another type: the statement has changed */
export function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError(`${String(value)} is no text`);
}

export function number(value: unknown): number {
  if (typeof value === "number") return value;
  if (typeof value === "string" && /^-?\d+$/.test(value)) return Number(value);
  throw new TypeError(`${String(value)} is no number`);
}

export function time(value: unknown): number {
  if (value instanceof Date) return value.getTime();
  if (typeof value === "string") return Date.parse(value);
  throw new TypeError(`${String(value)} is no time`);
}

export function json(value: unknown): string {
  if (value instanceof Json) return value.text;
  throw new TypeError(`${String(value)} is no JSON`);
}

export function texts(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.map(text);
  throw new TypeError(`${String(value)} is no list`);
}

export function inserted(value: unknown): readonly Row[] {
  if (value instanceof Rows) return value.rows;
  throw new TypeError("these are no rows");
}

export const orNull = <Value>(value: unknown, read: (value: unknown) => Value): Value | null =>
  value === null ? null : read(value);

export const timeOrNull = (value: unknown) => (value === null ? null : new Date(number(value)));
export const parsed = (value: unknown): unknown => JSON.parse(text(value));

export type { Handler, Row, View };
