import { MillraceError } from "../base/index.ts";
import {
  checkStatement,
  isNode,
  openStatement,
  parseStatement,
  readStatementText,
  references,
  type SqlParser,
} from "../compiler/index.ts";
import { ident } from "../slices/index.ts";

const simple = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * An event time as SQL over a row's columns: a column's name, or an expression that only looks at the row. The text that
 * comes back is DuckDB's own, from the parsed tree: nothing of the caller's text is spliced into a statement.
 * @throws sql_syntax, sql_refused, bad_request
 */
export async function eventTimeExpression(text: string, parser: SqlParser, signal: AbortSignal): Promise<string> {
  if (simple.test(text)) return ident(text);
  const statement = readStatementText(`SELECT (${text}\n) AS event_time FROM millrace_row`);
  const opened = openStatement(statement, await parseStatement(statement, parser, signal));
  checkStatement(opened);
  const { node } = opened;
  const named = references(node);
  const single = Array.isArray(node.select_list) && node.select_list.length === 1;
  const plain =
    node.type === "SELECT_NODE" &&
    node.where_clause === null &&
    isNode(node.from_table) &&
    node.from_table.type === "BASE_TABLE";
  if (!single || !plain || named.length !== 1)
    throw new MillraceError("bad_request", "The event time is not an expression over a row's columns.", {
      hint: "Say a column, or an expression such as to_timestamp(ts / 1000).",
    });
  const sql = await parser.deserialize(JSON.stringify(opened.root), signal);
  const match = /^SELECT (.*) AS event_time FROM millrace_row\s*;?\s*$/s.exec(sql);
  if (match?.[1] === undefined)
    throw new MillraceError("bad_request", "The event time is not an expression over a row's columns.");
  return match[1];
}
