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

/** A statement that defines something: it ends in the same `apply` as a manifest. */
export type Definition =
  | {
      readonly kind: "create dataset";
      readonly name: DefinedName;
      readonly ifNotExists: boolean;
      readonly options: DefinedOptions;
      readonly query: DefinedQuery;
    }
  | { readonly kind: "drop dataset"; readonly name: DefinedName; readonly ifExists: boolean }
  | { readonly kind: "pause dataset" | "resume dataset"; readonly name: DefinedName }
  | { readonly kind: "explain transform"; readonly of: DefinedName | DefinedQuery };

/**
 * Reads a definition's head; null where the text begins otherwise, and is DuckDB's to read.
 *
 *     CREATE DATASET [IF NOT EXISTS] p.d [WITH (option = value, ...)] AS SELECT ...
 *     DROP DATASET [IF EXISTS] p.d
 *     PAUSE | RESUME DATASET p.d
 *     EXPLAIN TRANSFORM p.d | SELECT ...
 * @throws sql_syntax with the place
 */
export function readDefinition(sql: string): Definition | null {
  const words = new Words(sql);
  if (words.take("CREATE", "DATASET")) return created(sql, words);
  if (words.take("DROP", "DATASET")) {
    const ifExists = words.take("IF", "EXISTS");
    return ended({ kind: "drop dataset", ifExists, name: nameOf(words) }, words);
  }
  if (words.take("PAUSE", "DATASET")) return ended({ kind: "pause dataset", name: nameOf(words) }, words);
  if (words.take("RESUME", "DATASET")) return ended({ kind: "resume dataset", name: nameOf(words) }, words);
  if (words.take("EXPLAIN", "TRANSFORM")) return explained(sql, words);
  return null;
}

function created(sql: string, words: Words): Definition {
  const ifNotExists = words.take("IF", "NOT", "EXISTS");
  const name = nameOf(words);
  const options = words.take("WITH") ? optionsOf(sql, words) : new Map();
  words.expect("AS");
  return { kind: "create dataset", name, ifNotExists, options, query: queryOf(sql, words) };
}

function explained(sql: string, words: Words): Definition {
  const first = words.peek();
  const isQuery = first.kind === "sign" || /^(select|with|from|values)$/i.test(first.said);
  if (isQuery) return { kind: "explain transform", of: queryOf(sql, words) };
  return ended({ kind: "explain transform", of: nameOf(words) }, words);
}

function ended(definition: Definition, words: Words): Definition {
  words.expectEnd();
  return definition;
}

/** `project.dataset`. Unquoted names fold, as everywhere. */
function nameOf(words: Words): DefinedName {
  const project = words.name("The name of a dataset, as PROJECT.DATASET,");
  if (!words.take(".")) words.fail("A dataset is named PROJECT.DATASET");
  const dataset = words.name("The dataset's name");
  return { project: foldName(project.said), dataset: foldName(dataset.said), at: project.at };
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
