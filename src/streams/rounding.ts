import { type DataField, duckdbType, ident, literal } from "../slices/index.ts";

/** How far two sums of the same floating-point numbers may be apart, of the larger one. */
const relative = 1e-9;

export function hasFloats(fields: readonly DataField[]): boolean {
  return fields.some(isFloat);
}

const isFloat = (field: DataField) => ["FLOAT", "DOUBLE"].includes(duckdbType(field));

/**
 * SQL of how many rows of a slice's file differ from those that are there in more than the rounding of floating-point numbers, whose sums depend on
 * the order in which they are added. @param there SQL of the rows, by their offsets
 */
export function differingRows(file: string, there: string, fields: readonly DataField[]): string {
  const columns = [
    ...["op", "event_time"].map((name) => ({ name, rounds: false })),
    ...fields.map((field) => ({ name: field.name, rounds: isFloat(field) })),
  ];
  const isSame = columns.map(({ name, rounds }) => {
    const [made, said] = [`m.${ident(name)}`, `t.${ident(name)}`];
    const equal = `${made} IS NOT DISTINCT FROM ${said}`;
    return rounds
      ? `(${equal} OR coalesce(isfinite(${made}) AND isfinite(${said}) AND abs(${made} - ${said}) <= ${relative} * greatest(abs(${made}), abs(${said})), false))`
      : equal;
  });
  return `SELECT CAST(count(*) AS INTEGER) AS differing FROM read_parquet(${literal(file)}) AS m
  FULL JOIN (${there}) AS t ON m."offset" = t."offset" WHERE NOT (m."offset" IS NOT NULL AND t."offset" IS NOT NULL AND ${isSame.join(" AND ")})`;
}
