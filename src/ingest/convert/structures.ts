import { z } from "zod";
import type { Batch, ConvertContext } from "./batch.ts";
import { structureFits } from "./evolve.ts";
import { memberSql } from "./judge.ts";
import type { Records } from "./normalise.ts";
import type { Observation } from "./observe.ts";
import { literal } from "./quote.ts";
import { recordsSql } from "./records.ts";
import type { Column } from "./types.ts";

/** Per nested column: SQL of a boolean over a record, true where the value's shape does not fit the column. */
export type Misfits = ReadonlyMap<string, string>;

const mostStructures = 20_000;
const row = z.object({ c: z.coerce.number(), structure: z.string() });

/**
 * Shapes of nested values that their columns cannot hold. `from_json` would drop what a struct has no member for, so shapes
 * are judged here, in JavaScript, from the few that a batch has. Where there are too many to list, those listed as fitting
 * fit, and the rest is quarantined rather than cut.
 */
export async function findMisfits(look: {
  batch: Batch;
  context: ConvertContext;
  records: Records;
  columns: readonly Column[];
  seen: readonly Observation[];
}): Promise<Misfits> {
  const { batch, context, records, columns, seen } = look;
  const nested = columns.filter((column) => column.type.kind !== "scalar");
  if (nested.length === 0) return new Map();
  const selects = nested.map(({ name }, c) => {
    const value = memberSql(name, seen);
    return `SELECT DISTINCT ${c} AS c, CAST(json_structure(${value}) AS VARCHAR) AS structure FROM rec WHERE ${value} IS NOT NULL`;
  });
  const statements = [
    { sql: `CREATE TEMP TABLE rec AS SELECT j FROM (${recordsSql(records, batch.format)}) WHERE e IS NULL` },
    { sql: `SELECT * FROM (${selects.join(" UNION ALL ")}) LIMIT ${mostStructures}`, rows: true },
  ];
  const results = await context.engine.script(
    { traceId: context.traceId, label: "ingest, shapes", statements },
    context.signal,
  );
  const found = (results.at(-1) ?? []).map((one) => row.parse(one));
  const complete = found.length < mostStructures;
  return new Map(
    nested.flatMap((column, c): [string, string][] => {
      const shapes = found.filter((one) => one.c === c).map((one) => one.structure);
      const value = memberSql(column.name, seen);
      const shape = `CAST(json_structure(${value}) AS VARCHAR)`;
      const listed = (fit: boolean) =>
        shapes
          .filter((text) => structureFits(JSON.parse(text), column.type) === fit)
          .map(literal)
          .join(", ");
      const wrong = listed(false);
      if (!complete) return [[column.name, `(${value} IS NOT NULL AND ${shape} NOT IN (${listed(true) || "''"}))`]];
      return wrong === "" ? [] : [[column.name, `coalesce(${shape} IN (${wrong}), false)`]];
    }),
  );
}
