export { isAggregate, isVolatile } from "./authorize/function-kinds.ts";
export { checkStatement } from "./authorize/gate.ts";
export { type DefinedName, type Definition, readDefinition } from "./parse/definition.ts";
export { type Emit, readEmit } from "./parse/emit.ts";
export {
  openStatement,
  parseStatement,
  positionInText,
  readStatementText,
  type SqlParser,
  type Statement,
  type StatementText,
} from "./parse/statement.ts";
export { inUsersText } from "./parse/users-text.ts";
export { type Condition, conditionOf } from "./prune/condition.ts";
export { mayMatch, type StoredColumn, type StoredColumns } from "./prune/prune.ts";
export { type Listing, listings } from "./resolve/listings.ts";
export { type Reference, references } from "./resolve/references.ts";
export { isAtNow, type PastPoint, pastPoint } from "./resolve/time-travel.ts";
export { replaceCurrentUser } from "./rewrite/current-user.ts";
export { type FileGroup, quarantineSql, relationSql, type TypedColumn, valuesSql } from "./rewrite/relation.ts";
export { replaceTable } from "./rewrite/replace.ts";
export { foldName, isNode, locationOf, nodesOf, type TreeNode, type TreeValue, textOf } from "./tree/tree.ts";
export type { WindowShape } from "./windows/call.ts";
export {
  expandWindows,
  hideBehindWindow,
  referenceBehindWindow,
  type WindowCall,
  windowColumns,
} from "./windows/expand.ts";
export { constantIntervalMs } from "./windows/interval.ts";
