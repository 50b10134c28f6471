import { literal } from "../../slices/index.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import {
  fieldName,
  namesProblem,
  reservedNames,
  reservedProblem,
  textFields,
  twiceProblem,
  zeroProblem,
} from "./fields.ts";
import type { Records } from "./normalise.ts";

/**
 * The exact path reads records that `normalise.ts` wrote, one JSON object a line:
 * `o` order in the batch, `i` entry in the batch, `n` line in the entry, `r` the record's own text, `e` what already
 * stands against it, `v` its values where JavaScript took them apart (CSV).
 * Here they become rows `o, i, n, r, e` and the values, which are null where `e` says why: of NDJSON `j`, the record as a
 * JSON object; of CSV and text `f0, f1, ...`, the text of each field.
 */
export function recordsSql(records: Records, format: ResolvedFormat): string {
  const columns = "{o: 'BIGINT', i: 'INTEGER', n: 'BIGINT', r: 'VARCHAR', e: 'VARCHAR', v: 'VARCHAR[]'}";
  const size = Math.max(1 << 20, records.longestBytes);
  const read = `read_json(${literal(records.path)}, format = 'newline_delimited', columns = ${columns}, maximum_object_size = ${size})`;
  switch (format.kind) {
    case "ndjson":
      return objectsSql(read);
    case "csv":
      return csvSql(read, records.fields ?? []);
    case "text":
      return textSql(read, format);
    case "parquet":
    case "arrow":
      throw new Error("columnar bodies are not read as records");
  }
}

function objectsSql(read: string): string {
  const reserved = reservedNames.map(literal).join(", ");
  return `SELECT o, i, n, r, j, CASE WHEN e IS NOT NULL THEN e WHEN j IS NULL THEN 'not valid JSON'
  WHEN json_type(j) NOT IN ('OBJECT', 'NULL') THEN 'not a JSON object'
  WHEN len(list_distinct(names)) < len(names) THEN ${literal(twiceProblem)}
  WHEN list_has_any(names, [${reserved}]) THEN ${literal(reservedProblem)} WHEN list_contains(names, '') THEN 'a key is empty'
  WHEN contains(r, '\\u0000') AND contains(CAST(json_structure(j) AS VARCHAR), '\\u0000') THEN ${literal(zeroProblem)} END AS e
FROM (SELECT *, list_transform(json_keys(j), lambda k: lower(k)) AS names
  FROM (SELECT o, i, n, r, e, CASE WHEN e IS NULL THEN TRY_CAST(r AS JSON) END AS j FROM ${read}))`;
}

function csvSql(read: string, names: readonly string[]): string {
  const fields = names.map((_, at) => `, v[${at + 1}] AS ${fieldName(at)}`).join("");
  return `SELECT o, i, n, r, coalesce(e, ${allProblem(names)}) AS e${fields} FROM ${read}`;
}

function textSql(read: string, format: ResolvedFormat & { kind: "text" }): string {
  const text = textFields(format);
  const fields = text.values.map((sql, at) => `, CASE WHEN matched THEN ${sql} END AS ${fieldName(at)}`).join("");
  const against = `CASE WHEN NOT matched THEN 'does not match the pattern' ELSE ${allProblem(text.names)} END`;
  return `SELECT o, i, n, r, coalesce(e, ${against}) AS e${fields}
FROM (SELECT *, ${text.derived} AS h FROM (SELECT *, CASE WHEN matched THEN ${text.groups("r")} END AS g
  FROM (SELECT *, CASE WHEN e IS NULL THEN ${text.matches("r")} ELSE false END AS matched FROM ${read})))`;
}

function allProblem(names: readonly string[]): string {
  const problem = namesProblem(names);
  return problem === null ? "NULL" : literal(problem);
}
