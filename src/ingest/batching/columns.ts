import type { Head } from "../../datasets/index.ts";
import { duckdbType, mayBecome, ownColumns } from "../../slices/index.ts";
import { type Column, parseType, typeName } from "../convert/types.ts";

/** The columns of a dataset's rows without the system's. */
export function columnsOf(head: Head): Column[] {
  return head.schema === null
    ? []
    : ownColumns(head.schema).map((field) => ({ name: field.name, type: parseType(duckdbType(field)) }));
}

/**
 * Columns with the types that are declared, where what they hold may become that; columns that are not there yet come behind
 * them, in the order in which they are declared.
 */
export function asDeclared(columns: readonly Column[], declared: readonly Column[]): Column[] {
  const byName = new Map(declared.map((column) => [column.name.toLowerCase(), column]));
  const known = columns.map(({ name, type }) => {
    const wanted = byName.get(name.toLowerCase())?.type ?? type;
    byName.delete(name.toLowerCase());
    return { name, type: mayBecome(typeName(type), typeName(wanted)) ? wanted : type };
  });
  return [...known, ...byName.values()];
}

export function sameColumns(a: readonly Column[], b: readonly Column[]): boolean {
  const described = (columns: readonly Column[]) => columns.map(({ name, type }) => `${name} ${typeName(type)}`);
  return JSON.stringify(described(a)) === JSON.stringify(described(b));
}
