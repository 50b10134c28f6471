import type { DataSchema } from "./data-schema.ts";
import { type DuckdbType, duckdbTypeName, mapLeaves, parseDuckdbType } from "./duckdb-type.ts";
import { duckdbType } from "./mapping.ts";
import { sliceType } from "./slice-type.ts";

/** Ids of a column and of what is nested in it, as Parquet keeps them: members by their names, `element`, `key`, `value`. */
export interface FieldId {
  readonly id: number;
  readonly members: Readonly<Record<string, FieldId>>;
}

/** A column of a layout copy, and of the slices that the copy stands for. */
export interface CopyColumn {
  readonly name: string;
  /** Its DuckDB type in the slices: cast back to it, a copy's values are theirs. */
  readonly sliceType: string;
  /** Its DuckDB type in the copy: whole numbers are signed, of 32 or 64 bits, as every table format knows them. */
  readonly copyType: string;
  readonly field: FieldId;
}

const signed: Readonly<Record<string, string>> = {
  TINYINT: "INTEGER",
  SMALLINT: "INTEGER",
  UTINYINT: "INTEGER",
  USMALLINT: "INTEGER",
  UINTEGER: "BIGINT",
  UBIGINT: "DECIMAL(20,0)",
};

/**
 * The columns of copies of slices with the newest of these schemas, which are a dataset's in their order. Ids count from 1 in
 * the order in which columns came, those of one schema before what is nested in them; a column keeps its id in later schemas.
 */
export function copyColumns(schemas: readonly DataSchema[]): CopyColumn[] {
  const ids = new Map<string, number>();
  for (const schema of schemas) numberColumns(schema, ids);
  return (schemas.at(-1)?.fields ?? []).map((field) => {
    const type = parseDuckdbType(sliceType(duckdbType(field)));
    const copyType = field.name === "offset" ? "BIGINT" : duckdbTypeName(mapLeaves(type, signedLeaf));
    return { name: field.name, sliceType: duckdbTypeName(type), copyType, field: fieldId([field.name], type, ids) };
  });
}

function signedLeaf(name: string): string {
  return signed[name] ?? name;
}

function numberColumns(schema: DataSchema, ids: Map<string, number>): void {
  const columns = schema.fields.map((field) => {
    number([field.name], ids);
    return { path: [field.name], type: parseDuckdbType(sliceType(duckdbType(field))) };
  });
  for (const { path, type } of columns) numberNested(path, type, ids);
}

function numberNested(path: readonly string[], type: DuckdbType, ids: Map<string, number>): void {
  for (const [name, member] of membersOf(type)) {
    number([...path, name], ids);
    numberNested([...path, name], member, ids);
  }
}

function number(path: readonly string[], ids: Map<string, number>): void {
  const key = JSON.stringify(path);
  if (!ids.has(key)) ids.set(key, ids.size + 1);
}

function fieldId(path: readonly string[], type: DuckdbType, ids: ReadonlyMap<string, number>): FieldId {
  const members = membersOf(type).map(([name, member]) => [name, fieldId([...path, name], member, ids)] as const);
  return { id: ids.get(JSON.stringify(path)) ?? 0, members: Object.fromEntries(members) };
}

function membersOf(type: DuckdbType): readonly (readonly [name: string, type: DuckdbType])[] {
  switch (type.kind) {
    case "leaf":
      return [];
    case "list":
      return [["element", type.item]];
    case "struct":
      return type.fields.map((field) => [field.name, field.type]);
    case "map":
      return [
        ["key", type.key],
        ["value", type.value],
      ];
  }
}
