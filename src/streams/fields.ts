import { formatDatasetPath, MillraceError } from "../base/index.ts";
import { foldName } from "../compiler/index.ts";
import type { DatasetRef } from "../datasets/index.ts";
import type { ResultColumn } from "../engines/index.ts";
import {
  type DataField,
  type DataSchema,
  duckdbType,
  fieldFromDuckdb,
  isRetracts,
  ownColumns,
  retractsField,
  sliceType,
  systemColumns,
  widen,
} from "../slices/index.ts";
import { ours } from "./carry.ts";
import type { Plan } from "./plan.ts";

/** Rows that a changed row replaces are those of its key, or of its scope. */
export function pairsBy(plan: Plan, key: readonly string[], fields: readonly DataField[]): string[] {
  const wanted = key.length > 0 ? key : (plan.scope ?? []).map(({ name }) => name);
  return fields.map(({ name }) => name).filter((name) => wanted.some((one) => foldName(one) === foldName(name)));
}

/** Whether a column that a SELECT makes is its own: neither the platform's nor carried. */
export const isOwn = ({ name }: ResultColumn) => !systemColumns.includes(name.toLowerCase()) && !name.startsWith(ours);

/**
 * The dataset's columns once the run's rows are there: those it has, wider where they must be, and new ones behind them.
 * @throws conflict where a column became one that no wider type holds, or is no longer made
 */
export function fieldsOf(
  made: readonly ResultColumn[],
  { path: name }: Pick<DatasetRef, "path">,
  schema: DataSchema | null,
  isChanging: boolean,
): DataField[] {
  const own = made.filter(isOwn);
  const known = schema === null ? [] : ownColumns(schema);
  const kept = known.map((field) => {
    if (isRetracts(field)) return field;
    const now = own.find((column) => column.name === field.name);
    if (now === undefined) throw changed(name, field.name, "is no longer made");
    const before = duckdbType(field);
    const type = widen(before, sliceType(now.type)) ?? null;
    if (type === null) throw changed(name, field.name, `was ${before} and is now ${now.type}`);
    return type === before ? field : fieldFromDuckdb(field.name, type);
  });
  const added = own.filter((column) => !known.some((field) => field.name === column.name));
  const fields = [...kept, ...added.map((column) => fieldFromDuckdb(column.name, column.type))];
  return isChanging && !fields.some(isRetracts) ? [...fields, retractsField] : fields;
}

function changed(name: DatasetRef["path"], column: string, what: string): MillraceError {
  return new MillraceError("conflict", `The column "${column}" of ${formatDatasetPath(name)} ${what}.`, {
    hint: "An input's columns have changed. Name the columns in the SELECT, with a CAST, in a new dataset.",
  });
}
