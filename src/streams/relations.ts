import type { TreeNode } from "../compiler/index.ts";
import { textOf } from "../compiler/index.ts";
import { ident } from "../slices/index.ts";
import { ours } from "./carry.ts";

const relationName = (at: number) => `${ours}in${at}`;

/** Has a reference name the relation that takes its place, under its own name. */
export function nameRelation(table: TreeNode, at: number): void {
  const alias = textOf(table, "alias") || textOf(table, "table_name");
  Object.assign(table, { alias, schema_name: "", catalog_name: "", table_name: relationName(at), at_clause: null });
}

/** A SELECT with the relations that it names. What a run reads is no part of its tree, which is the same each time then. */
export function withRelations(text: string, relations: readonly string[]): string {
  const named = relations.map((sql, at) => `${ident(relationName(at))} AS NOT MATERIALIZED (${sql})`).join(", ");
  const own = /^WITH (RECURSIVE )?/.exec(text);
  return own === null ? `WITH ${named} ${text}` : `${own[0]}${named}, ${text.slice(own[0].length)}`;
}
