import type { DataField, DataSchema } from "./data-schema.ts";
import { ownColumns } from "./mapping.ts";

/** What a column of the platform's is for, beside the four that every slice has. */
const roleAttribute = "millrace.dev/role";

/**
 * The last column of a changelog: the offset of the row that a row of operation 1 or 2 takes back. What holds is then found by
 * numbers alone, whatever the columns are, and also where two rows are the same.
 */
export const retractsField: DataField = {
  name: "retracts",
  type: { kind: "Option", inner: { kind: "UInt64" } },
  extra: { [roleAttribute]: "retracts" },
};

export const isRetracts = ({ name, extra }: DataField) =>
  name === retractsField.name && extra?.[roleAttribute] === "retracts";

/** Whether the rows are changes (`op` 0 append, 1 retract, 2 correct-from, 3 correct-to) instead of rows that hold for good. */
export function isChangelog(schema: DataSchema): boolean {
  return schema.fields.some(isRetracts);
}

/** The columns that are the user's. */
export function userColumns(schema: DataSchema): readonly DataField[] {
  return ownColumns(schema).filter((field) => !isRetracts(field));
}
