import { MillraceError, positionAt, type TextPosition } from "../../base/index.ts";
import { parseLossless } from "../tree/lossless.ts";
import { isNode, nodesOf, type TreeNode, type TreeValue } from "../tree/tree.ts";

/** DuckDB's own parser, handed in: an engine fits it. Trees travel as JSON text. */
export interface SqlParser {
  /** @throws sql_syntax with position */
  serialize(sql: string, signal?: AbortSignal): Promise<string>;
  deserialize(tree: string, signal?: AbortSignal): Promise<string>;
}

/** A statement taken apart. `tree` is its own copy each time: rewriting changes it in place. */
export interface Statement {
  readonly sql: string;
  /** What stands before the query: nothing, or EXPLAIN. */
  readonly head: "" | "EXPLAIN ";
  /** Characters of the text before the query. */
  readonly headLength: number;
  readonly root: TreeNode;
  readonly node: TreeNode;
}

export const maxSqlLength = 2_000_000;
const maxNesting = 400;
/** DuckDB reads a run of comments with only signs between them anew for each one: sixteen thousand took five seconds. */
const maxCommentRun = 1_000;

/** Text of a statement before its tree is known. */
export interface StatementText {
  readonly sql: string;
  readonly head: Statement["head"];
  readonly headLength: number;
  readonly query: string;
}

/** @throws sql_syntax on an empty text, too_large, sql_unsupported on absurd nesting */
export function readStatementText(sql: string): StatementText {
  if (sql.length > maxSqlLength)
    throw new MillraceError("too_large", `A statement has ${maxSqlLength} characters at most.`);
  const first = blankEnd(sql, 0);
  if (first === sql.length || (sql[first] === ";" && blankEnd(sql, first + 1) === sql.length))
    throw new MillraceError("sql_syntax", "There is no statement in the text.", { hint: "Try SELECT 42." });
  if (sql.includes("\0"))
    throw new MillraceError("sql_syntax", "The statement holds a zero character.", {
      position: positionAt(sql, sql.indexOf("\0")),
    });
  checkNesting(sql);
  const afterExplain = wordEnd(sql, first, "EXPLAIN");
  if (afterExplain === null) return { sql, head: "", headLength: 0, query: sql };
  const headLength = blankEnd(sql, afterExplain);
  if (wordEnd(sql, headLength, "ANALYZE") !== null) {
    throw new MillraceError("sql_unsupported", "EXPLAIN ANALYZE is not run here: it tells of the server's files.", {
      hint: "EXPLAIN shows the plan; system.queries tells what an ended query took.",
    });
  }
  return { sql, head: "EXPLAIN ", headLength, query: sql.slice(headLength) };
}

/** Where white space and comments from `at` on end. Looks at each character once: a pattern that goes back could take years. */
export function blankEnd(sql: string, at: number): number {
  for (;;) {
    while (at < sql.length && /\s/.test(sql[at] ?? "")) at++;
    const end = sql.startsWith("--", at) ? lineEnd(sql, at) : sql.startsWith("/*", at) ? commentEnd(sql, at) : at;
    if (end === at) return at;
    at = end;
  }
}

function lineEnd(sql: string, at: number): number {
  const end = sql.indexOf("\n", at);
  return end < 0 ? sql.length : end + 1;
}

/** Where a comment ends, those within it counted; one that does not end goes to the end. */
function commentEnd(sql: string, at: number): number {
  let depth = 0;
  const marks = /\/\*|\*\//g;
  marks.lastIndex = at;
  for (let mark = marks.exec(sql); mark !== null; mark = marks.exec(sql)) {
    depth += mark[0] === "/*" ? 1 : -1;
    if (depth === 0) return marks.lastIndex;
  }
  return sql.length;
}

/** Where the word ends that begins at `at`; null where it is another. */
function wordEnd(sql: string, at: number, word: string): number | null {
  const end = at + word.length;
  return sql.slice(at, end).toUpperCase() === word && !/\w/.test(sql[end] ?? "") ? end : null;
}

/** Brackets outside of quotes and comments: a parser goes as deep as they nest. And comments in a row. */
function checkNesting(sql: string): void {
  let depth = 0;
  let run = { comments: 0, end: -1 };
  const marks = /[()[\]{}'"$/-]/g;
  for (let mark = marks.exec(sql); mark !== null; mark = marks.exec(sql)) {
    if ("([{".includes(mark[0])) {
      if (++depth > maxNesting) {
        throw new MillraceError("sql_unsupported", `The statement nests deeper than ${maxNesting} brackets.`, {
          position: positionAt(sql, mark.index),
        });
      }
    } else if (")]}".includes(mark[0])) depth--;
    else {
      const end = quotedEnd(sql, mark.index);
      marks.lastIndex = Math.max(end, marks.lastIndex);
      if (mark[0] !== "/" || end === mark.index) continue;
      const goesOn = /^[~!@#^&|`?+\-*/%<>=]{0,50}$/.test(sql.slice(run.end, Math.min(mark.index, run.end + 51)));
      run = { comments: goesOn ? run.comments + 1 : 1, end };
      if (run.comments > maxCommentRun)
        throw new MillraceError("sql_unsupported", `More than ${maxCommentRun} comments stand in a row.`, {
          position: positionAt(sql, mark.index),
        });
    }
  }
}

/** Where the text or comment ends that begins at `at`; `at` itself where none begins. One that does not end goes to the end. */
function quotedEnd(sql: string, at: number): number {
  if (sql.startsWith("--", at)) return lineEnd(sql, at);
  if (sql.startsWith("/*", at)) return commentEnd(sql, at);
  const pattern = quotes.find((one) => one.begins.test(sql.slice(Math.max(0, at - 2), at + 1)));
  if (pattern !== undefined) {
    pattern.ends.lastIndex = at + 1;
    return pattern.ends.test(sql) ? pattern.ends.lastIndex : sql.length;
  }
  const tag = /^\$(?:[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?\$/.exec(sql.slice(at, at + 200))?.[0];
  if (tag === undefined) return at;
  const end = sql.indexOf(tag, at + tag.length);
  return end < 0 ? sql.length : end + tag.length;
}

/** By what stands before and at the quote. Two quotes in a row are two texts in a row here: no bracket is between them. */
const quotes = [
  { begins: /(?:^|\W)[Ee]'$/, ends: /(?:\\[\s\S]|[^\\'])*'/y },
  { begins: /'$/, ends: /[^']*'/y },
  { begins: /"$/, ends: /[^"]*"/y },
];

/** @throws sql_syntax, sql_unsupported for statements that are no single query */
export async function parseStatement(text: StatementText, parser: SqlParser, signal?: AbortSignal): Promise<string> {
  const tree = await parser.serialize(text.query, signal);
  const root = readTree(tree);
  if (!isNode(root)) throw new MillraceError("internal", "The parser gave no tree.");
  if (root.error === true) throw parseError(text, root);
  const count = nodesOf(root.statements).length;
  if (count !== 1)
    throw new MillraceError("sql_unsupported", "Send one statement at a time.", {
      hint: "Cut the text at its semicolons.",
    });
  return tree;
}

/** DuckDB writes a number that no DOUBLE holds as a bare Infinity, which is no JSON and which it does not read back. */
function readTree(tree: string): TreeValue {
  try {
    return parseLossless(tree);
  } catch (cause) {
    if (!/:-?Infinity\b/.test(tree)) throw cause;
    throw new MillraceError("sql_unsupported", "A number in the statement is greater than any DOUBLE.", {
      hint: "Infinity is written 'inf'::DOUBLE.",
      cause,
    });
  }
}

/** A fresh copy of a parsed tree. */
export function openStatement(text: StatementText, tree: string): Statement {
  const root = parseLossless(tree);
  const statement = isNode(root) ? nodesOf(root.statements)[0] : undefined;
  const node = statement?.node;
  if (!isNode(root) || !isNode(node)) throw new MillraceError("internal", "The parser gave no tree.");
  return { ...text, root, node };
}

function parseError(text: StatementText, root: TreeNode): MillraceError {
  const message = String(root.error_message ?? "");
  if (root.error_type === "not implemented" || /can be serialized/.test(message)) {
    return new MillraceError(
      "sql_unsupported",
      "Only statements that read are run here (SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES, EXPLAIN), and those that define datasets and lookups.",
      {
        hint: "Those are CREATE, DROP, PAUSE and RESUME with DATASET or LOOKUP, ALTER and BACKFILL DATASET, and EXPLAIN TRANSFORM. Rows come in by `millrace ingest` or POST .../rows; a PIVOT needs its IN (...) list of values.",
      },
    );
  }
  const at = Number(root.position);
  const position = Number.isInteger(at) ? { position: positionInText(text, at) } : {};
  return new MillraceError("sql_syntax", sentence(message), position);
}

function sentence(message: string): string {
  const first = message.split("\n")[0] ?? "";
  return first === "" ? "The statement cannot be parsed." : `${first.charAt(0).toUpperCase()}${first.slice(1)}.`;
}

/** A byte offset of the query as a position in the whole text. */
export function positionInText(
  text: { readonly sql: string; readonly headLength: number },
  byteOffset: number,
): TextPosition {
  const query = Buffer.from(text.sql.slice(text.headLength));
  return positionAt(text.sql, text.headLength + query.subarray(0, byteOffset).toString("utf8").length);
}
