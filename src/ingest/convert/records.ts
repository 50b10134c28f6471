import type { ResolvedFormat } from "../formats/detect.ts";
import { textPattern } from "../formats/patterns.ts";
import type { Records } from "./normalise.ts";
import { ident, literal } from "./quote.ts";

/**
 * The exact path reads records that `normalise.ts` wrote, one JSON object a line:
 * `o` order in the batch, `i` entry in the batch, `n` line in the entry, `r` the record's own text, `e` what already
 * stands against it, `v` its values where JavaScript took them apart (CSV).
 * Here they become rows `o, i, n, r, e, j`: `j` is the record as a JSON object of its values, null where `e` says why.
 */
export function recordsSql(records: Records, format: ResolvedFormat): string {
  const columns = "{o: 'BIGINT', i: 'INTEGER', n: 'BIGINT', r: 'VARCHAR', e: 'VARCHAR', v: 'JSON'}";
  const size = Math.max(1 << 20, records.longestBytes);
  const read = `read_json(${literal(records.path)}, format = 'newline_delimited', columns = ${columns}, maximum_object_size = ${size})`;
  return `SELECT o, i, n, r, j, CASE WHEN e IS NOT NULL THEN e WHEN j IS NULL THEN 'not valid JSON'
  WHEN json_type(j) NOT IN ('OBJECT', 'NULL') THEN 'not a JSON object' ${duplicates} ${reserved} END AS e
FROM (${jsonSql(read, format)})`;
}

const duplicates = `WHEN len(list_distinct(list_transform(json_keys(j), lambda k: lower(k)))) < len(json_keys(j))
  THEN 'a key stands twice'`;
const reserved = `WHEN len(list_intersect(list_transform(json_keys(j), lambda k: lower(k)), ['offset', 'op', 'system_time'])) > 0
  THEN 'the names offset, op and system_time belong to Millrace' WHEN list_contains(json_keys(j), '') THEN 'a key is empty'`;

function jsonSql(read: string, format: ResolvedFormat): string {
  switch (format.kind) {
    case "ndjson":
      return `SELECT o, i, n, r, e, CASE WHEN e IS NULL THEN TRY_CAST(r AS JSON) END AS j FROM ${read}`;
    case "csv":
      return `SELECT o, i, n, r, e, v AS j FROM ${read}`;
    case "text":
      return textSql(read, format.pattern);
    case "parquet":
    case "arrow":
      throw new Error("columnar bodies are not read as records");
  }
}

function textSql(read: string, text: string): string {
  const pattern = textPattern(text);
  if (pattern === null) throw new Error("a pattern without groups passed the door");
  const groups = pattern.groups.map(literal).join(", ");
  const matched = `regexp_matches(r, ${literal(pattern.expression)})`;
  const g = `regexp_extract(r, ${literal(pattern.expression)}, [${groups}])`;
  const values = pattern.fields ?? pattern.groups.map((name) => ({ name, sql: `nullif(g.${ident(name)}, '')` }));
  const members = values.map((field) => `${ident(field.name)} := ${field.sql}`).join(", ");
  return `SELECT o, i, n, r, coalesce(e, CASE WHEN NOT matched THEN 'does not match the pattern' END) AS e,
  CASE WHEN matched THEN to_json(struct_pack(${members})) END AS j
FROM (SELECT *, ${matched} AS matched, CASE WHEN matched THEN ${g} END AS g FROM ${read})`;
}
