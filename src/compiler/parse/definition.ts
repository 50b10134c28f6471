import { MillraceError, positionAt } from "../../base/index.ts";
import { foldName } from "../tree/tree.ts";
import { type Word, Words } from "./words.ts";

/** A dataset as a statement names it. */
export interface DefinedName {
  readonly project: string;
  readonly dataset: string;
  /** Where it begins in the text. */
  readonly at: number;
}

/** The SELECT of a definition. */
export interface DefinedQuery {
  readonly sql: string;
  /** Where it begins in the text. */
  readonly at: number;
}

/** What `WITH (name = value)` says, by its name in lower case. */
export type DefinedOptions = ReadonlyMap<string, { readonly value: string; readonly at: number }>;

/** A column of KEY (...). */
export interface DefinedColumn {
  readonly name: string;
  readonly at: number;
}

interface Created {
  readonly name: DefinedName;
  readonly ifNotExists: boolean;
  readonly key: readonly DefinedColumn[];
  readonly options: DefinedOptions;
  /** With what stands behind the SELECT: EMIT. */
  readonly query: DefinedQuery;
}

const things = ["dataset", "lookup"] as const;
type Thing = (typeof things)[number];

/** A statement that defines something: it ends in the same `apply` as a manifest. */
export type Definition =
  | (Created & { readonly kind: `create ${Thing}` })
  | { readonly kind: `drop ${Thing}`; readonly name: DefinedName; readonly ifExists: boolean }
  | { readonly kind: `pause ${Thing}` | `resume ${Thing}`; readonly name: DefinedName }
  | { readonly kind: "set options"; readonly name: DefinedName; readonly options: DefinedOptions }
  | {
      readonly kind: "alter transform";
      readonly name: DefinedName;
      /** Empty: it stays as it is. */
      readonly key: readonly DefinedColumn[];
      readonly query: DefinedQuery;
    }
  | { readonly kind: "backfill"; readonly name: DefinedName }
  | { readonly kind: "explain transform"; readonly of: DefinedName | DefinedQuery };

const heads = /^(create|alter|drop|pause|resume|backfill|explain)$/i;

/**
 * Reads a definition's head; null where the text begins otherwise, and is DuckDB's to read.
 *
 *     CREATE DATASET [IF NOT EXISTS] p.d [KEY (column, ...)] [WITH (option = value, ...)] AS SELECT ... [EMIT ...]
 *     CREATE LOOKUP [IF NOT EXISTS] p.l KEY (column, ...) [WITH (option = value, ...)] AS SELECT ... [EMIT ...]
 *     ALTER DATASET p.d [KEY (column, ...)] AS SELECT ... [EMIT ...]
 *     ALTER DATASET p.d SET (option = value, ...)
 *     BACKFILL DATASET p.d
 *     DROP DATASET | LOOKUP [IF EXISTS] p.d
 *     PAUSE | RESUME DATASET | LOOKUP p.d
 *     EXPLAIN TRANSFORM p.d | SELECT ...
 * @throws sql_syntax with the place
 */
export function readDefinition(sql: string): Definition | null {
  const words = new Words(sql);
  // Looked at once: long comments may stand before it.
  if (!heads.test(words.peek().said)) return null;
  for (const thing of things) {
    const word = thing.toUpperCase();
    if (words.take("CREATE", word)) return { kind: `create ${thing}`, ...created(sql, words, thing) };
    if (words.take("DROP", word)) {
      const ifExists = words.take("IF", "EXISTS");
      return ended({ kind: `drop ${thing}`, ifExists, name: nameOf(words, thing) }, words);
    }
    if (words.take("PAUSE", word)) return ended({ kind: `pause ${thing}`, name: nameOf(words, thing) }, words);
    if (words.take("RESUME", word)) return ended({ kind: `resume ${thing}`, name: nameOf(words, thing) }, words);
  }
  if (words.take("ALTER", "DATASET")) return altered(sql, words);
  if (words.take("BACKFILL", "DATASET")) return ended({ kind: "backfill", name: nameOf(words, "dataset") }, words);
  if (words.take("EXPLAIN", "TRANSFORM")) return explained(sql, words);
  return null;
}

function created(sql: string, words: Words, thing: Thing): Created {
  const ifNotExists = words.take("IF", "NOT", "EXISTS");
  const name = nameOf(words, thing);
  const key = words.take("KEY") ? keyOf(sql, words) : [];
  if (key.length === 0 && thing === "lookup") words.fail("KEY (...) is expected: a lookup is read by its key");
  const options = words.take("WITH") ? optionsOf(sql, words) : new Map();
  words.expect("AS");
  return { name, ifNotExists, key, options, query: queryOf(sql, words) };
}

function altered(sql: string, words: Words): Definition {
  const name = nameOf(words, "dataset");
  if (words.take("SET")) return ended({ kind: "set options", name, options: optionsOf(sql, words) }, words);
  const key = words.take("KEY") ? keyOf(sql, words) : [];
  if (!words.take("AS")) words.fail(key.length === 0 ? "AS, KEY or SET is expected" : "AS is expected");
  return { kind: "alter transform", name, key, query: queryOf(sql, words) };
}

function explained(sql: string, words: Words): Definition {
  const first = words.peek();
  const isQuery = first.kind === "sign" || /^(select|with|from|values)$/i.test(first.said);
  if (isQuery) return { kind: "explain transform", of: queryOf(sql, words) };
  return ended({ kind: "explain transform", of: nameOf(words, "dataset") }, words);
}

function ended(definition: Definition, words: Words): Definition {
  words.expectEnd();
  return definition;
}

/** `project.dataset`. Unquoted names fold, as everywhere. */
function nameOf(words: Words, thing: Thing): DefinedName {
  const form = `PROJECT.${thing.toUpperCase()}`;
  const project = words.name(`The name of a ${thing}, as ${form},`);
  if (!words.take(".")) words.fail(`A ${thing} is named ${form}`);
  const dataset = words.name(`The ${thing}'s name`);
  return { project: foldName(project.said), dataset: foldName(dataset.said), at: project.at };
}

function keyOf(sql: string, words: Words): DefinedColumn[] {
  const key: DefinedColumn[] = [];
  words.expect("(");
  do {
    const { said: name, at } = words.name("A column of the key");
    if (key.some((known) => foldName(known.name) === foldName(name)))
      throw new MillraceError("sql_syntax", `The column ${name} stands twice in the key.`, {
        position: positionAt(sql, at),
      });
    key.push({ name, at });
  } while (words.take(","));
  words.expect(")");
  return key;
}

function optionsOf(sql: string, words: Words): DefinedOptions {
  const options = new Map<string, { value: string; at: number }>();
  words.expect("(");
  do {
    const name = words.name("An option");
    const key = name.said.toLowerCase();
    if (options.has(key))
      throw new MillraceError("sql_syntax", `The option ${key} is said twice.`, { position: positionAt(sql, name.at) });
    words.expect("=");
    const value = words.next();
    if (!isValue(value)) words.fail("A number, a word or a text in quotes is expected", value);
    options.set(key, { value: value.said, at: value.at });
  } while (words.take(","));
  words.expect(")");
  return options;
}

function isValue({ kind }: Word): boolean {
  return kind === "text" || kind === "number" || kind === "word";
}

function queryOf(sql: string, words: Words): DefinedQuery {
  const { at } = words;
  if (words.peek().kind === "end") words.fail("A SELECT is expected");
  return { sql: sql.slice(at), at };
}
