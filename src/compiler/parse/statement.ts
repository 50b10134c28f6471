import { MillraceError, positionAt, type TextPosition } from "../../base/index.ts";
import { parseLossless } from "../tree/lossless.ts";
import { isNode, nodesOf, type TreeNode } from "../tree/tree.ts";

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

/** Text of a statement before its tree is known. */
export interface StatementText {
  readonly sql: string;
  readonly head: Statement["head"];
  readonly headLength: number;
  readonly query: string;
}

const blank = "(?:\\s|--[^\\n]*(?:\\n|$)|/\\*[\\s\\S]*?\\*/)*";
const explain = new RegExp(`^${blank}EXPLAIN${blank}(ANALYZE\\b)?`, "i");

/** @throws sql_syntax on an empty text, too_large, sql_unsupported on absurd nesting */
export function readStatementText(sql: string): StatementText {
  if (sql.length > maxSqlLength)
    throw new MillraceError("too_large", `A statement has ${maxSqlLength} characters at most.`);
  if (new RegExp(`^${blank};?${blank}$`).test(sql))
    throw new MillraceError("sql_syntax", "There is no statement in the text.", { hint: "Try SELECT 42." });
  if (sql.includes("\0"))
    throw new MillraceError("sql_syntax", "The statement holds a zero character.", {
      position: positionAt(sql, sql.indexOf("\0")),
    });
  checkNesting(sql);
  const match = explain.exec(sql);
  if (match === null) return { sql, head: "", headLength: 0, query: sql };
  const headLength = match[0].length;
  if (match[1] !== undefined) {
    throw new MillraceError("sql_unsupported", "EXPLAIN ANALYZE is not run here: it tells of the server's files.", {
      hint: "EXPLAIN shows the plan; system.queries tells what an ended query took.",
    });
  }
  return { sql, head: "EXPLAIN ", headLength, query: sql.slice(headLength) };
}

/** Brackets outside of quotes: a parser goes as deep as they nest. */
function checkNesting(sql: string): void {
  let depth = 0;
  for (let at = 0; at < sql.length; at++) {
    const character = sql[at];
    if (character === "'" || character === '"') {
      const end = sql.indexOf(character, at + 1);
      if (end < 0) return;
      at = end;
    } else if (character === "(" || character === "[" || character === "{") {
      if (++depth > maxNesting) {
        throw new MillraceError("sql_unsupported", `The statement nests deeper than ${maxNesting} brackets.`, {
          position: positionAt(sql, at),
        });
      }
    } else if (character === ")" || character === "]" || character === "}") depth--;
  }
}

/** @throws sql_syntax, sql_unsupported for statements that are no single query */
export async function parseStatement(text: StatementText, parser: SqlParser, signal?: AbortSignal): Promise<string> {
  const tree = await parser.serialize(text.query, signal);
  const root = parseLossless(tree);
  if (!isNode(root)) throw new MillraceError("internal", "The parser gave no tree.");
  if (root.error === true) throw parseError(text, root);
  const count = nodesOf(root.statements).length;
  if (count !== 1)
    throw new MillraceError("sql_unsupported", "Send one statement at a time.", {
      hint: "Cut the text at its semicolons.",
    });
  return tree;
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
      "Only statements that read are run here: SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES, EXPLAIN.",
      {
        hint: "Rows come in by `millrace ingest` or POST .../rows; a PIVOT needs its IN (...) list of values.",
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
