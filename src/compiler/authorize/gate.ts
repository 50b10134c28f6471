import { MillraceError } from "../../base/index.ts";
import { positionInText, type Statement } from "../parse/statement.ts";
import { foldName, isNode, locationOf, type TreeNode, type TreeValue, textOf } from "../tree/tree.ts";
import { functionNames } from "./function-names.ts";

/** Table functions that touch nothing but their arguments. */
const tableFunctions = new Set([
  "range",
  "generate_series",
  "unnest",
  "repeat",
  "repeat_row",
  "json_each",
  "json_tree",
]);
const functions = new Set([...functionNames.trim().split(/\s+/), ...tableFunctions]);

const queryNodes = new Set(["SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"]);
const tableRefs = new Set([
  "BASE_TABLE",
  "SUBQUERY",
  "JOIN",
  "TABLE_FUNCTION",
  "EXPRESSION_LIST",
  "EMPTY",
  "SHOW_REF",
  "PIVOT",
  "CTE",
]);
const expressionClasses = new Set([
  "BETWEEN",
  "CASE",
  "CAST",
  "COLLATE",
  "COLUMN_REF",
  "COMPARISON",
  "CONJUNCTION",
  "CONSTANT",
  "FUNCTION",
  "LAMBDA",
  "LAMBDA_REF",
  "OPERATOR",
  "PARAMETER",
  "POSITIONAL_REFERENCE",
  "STAR",
  "SUBQUERY",
  "TYPE",
  "WINDOW",
]);
/** Members that hold a table reference: what stands there must be of a known kind. */
const tableMembers = new Set(["from_table", "source"]);

/**
 * Lets through what only reads what it names. Default deny: a node, an expression class or a function that is not listed is
 * refused, so a new version's new means are closed until someone has looked at them.
 * @throws sql_refused with position
 */
export function checkStatement(statement: Statement): void {
  check(statement, statement.node);
}

function check(statement: Statement, value: TreeValue | undefined): void {
  if (Array.isArray(value)) {
    for (const item of value) check(statement, item);
    return;
  }
  if (!isNode(value)) return;
  if (typeof value.class === "string") checkExpression(statement, value, value.class);
  else if (typeof value.type === "string") checkReference(statement, value, value.type);
  for (const [member, part] of Object.entries(value)) {
    if (tableMembers.has(member) && isNode(part) && !tableRefs.has(textOf(part, "type"))) {
      throw refused(statement, part, `A table reference of the kind ${textOf(part, "type")} is not run here.`);
    }
    check(statement, part);
  }
}

function checkExpression(statement: Statement, node: TreeNode, kind: string): void {
  if (!expressionClasses.has(kind))
    throw refused(statement, node, `An expression of the kind ${kind} is not run here.`);
  if (kind !== "FUNCTION" && kind !== "WINDOW") return;
  const name = foldName(textOf(node, "function_name"));
  const schema = foldName(textOf(node, "schema"));
  const foreign = textOf(node, "catalog") !== "" || !["", "main"].includes(schema);
  // Operators are functions by their signs: +, ||, ~~, ...
  const isOperator = node.is_operator === true && !/^[a-z_]/.test(name);
  if (foreign || !(isOperator || functions.has(name) || /^[^a-z_]+$/.test(name))) {
    throw refused(
      statement,
      node,
      `The function ${name} is not run here.`,
      "Functions that reach files, settings, the network or the server are closed.",
    );
  }
}

function checkReference(statement: Statement, node: TreeNode, type: string): void {
  if (type.endsWith("_NODE") && !queryNodes.has(type))
    throw refused(statement, node, `A query of the kind ${type} is not run here.`);
  if (type === "TABLE_FUNCTION") {
    const call = isNode(node.function) ? node.function : node;
    const name = foldName(textOf(call, "function_name"));
    if (!tableFunctions.has(name)) {
      throw refused(
        statement,
        node,
        `The table function ${name} is not run here.`,
        "Import a file with `millrace ingest`, and query the dataset.",
      );
    }
  }
  if (type === "BASE_TABLE" && textOf(node, "catalog_name") !== "") {
    throw refused(statement, node, "A dataset is named PROJECT.DATASET, without a catalog.");
  }
}

function refused(statement: Statement, node: TreeNode, message: string, hint?: string): MillraceError {
  const at = locationOf(node);
  return new MillraceError("sql_refused", message, {
    ...(hint === undefined ? {} : { hint }),
    ...(at === null ? {} : { position: positionInText(statement, at) }),
  });
}
