import { MillraceError } from "../../base/index.ts";
import { positionInText, type Statement } from "../parse/statement.ts";
import { foldName, isNode, locationOf, type TreeNode, type TreeValue, textOf } from "../tree/tree.ts";

/** A SHOW TABLES in a statement, wherever it stands. */
export interface Listing {
  /** The tree's own node: rewriting replaces its members. */
  readonly table: TreeNode;
  /** SHOW TABLES FROM project; null for all. */
  readonly project: string | null;
}

/** What DuckDB calls the plain list, and the long one of DESCRIBE and SHOW ALL TABLES. */
const lists = new Set(["tables", "__show_tables_expanded", "datasets"]);

/**
 * Every SHOW that asks for a list. None may reach a worker, whose own catalogs it would show. (DESCRIBE and SUMMARIZE of a
 * query are no lists: they hold the query.) @throws sql_unsupported on a list that is not kept here
 */
export function listings(statement: Statement): Listing[] {
  const found: Listing[] = [];
  collect(statement, statement.node, found);
  return found;
}

function collect(statement: Statement, value: TreeValue | undefined, found: Listing[]): void {
  if (Array.isArray(value)) {
    for (const item of value) collect(statement, item, found);
    return;
  }
  if (!isNode(value)) return;
  if (value.type === "SHOW_REF" && !isNode(value.query)) found.push(readListing(statement, value));
  for (const part of Object.values(value)) collect(statement, part, found);
}

function readListing(statement: Statement, table: TreeNode): Listing {
  if (table.show_type === "SHOW_FROM" && textOf(table, "catalog_name") === "")
    return { table, project: foldName(textOf(table, "schema_name")) };
  const what = foldName(textOf(table, "table_name").replaceAll('"', ""));
  if (table.show_type === "SHOW_UNQUALIFIED" && lists.has(what)) return { table, project: null };
  const at = locationOf(table);
  throw new MillraceError("sql_unsupported", `SHOW ${what.slice(0, 100)} is not known.`, {
    hint: "SHOW TABLES lists datasets; DESCRIBE PROJECT.DATASET its columns.",
    ...(at === null ? {} : { position: positionInText(statement, at) }),
  });
}
