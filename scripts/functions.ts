// Regenerates the list of functions that SQL may call: every scalar, aggregate and macro of DuckDB but those refused here.
// A new version's new functions are looked at by a person before the list is written: the diff shows them.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";

/** Functions that reach settings, catalogs, sessions, logs, clocks of the process, or other statements. */
const refused = [
  /^(current_|session_|inet_|pg_|has_|txid|in_search_path|user$)/,
  /^(nextval|currval|getvariable|getenv|current_setting|sleep_ms|write_log|parse_duckdb_log_message)$/,
  /^json_(serialize|deserialize|execute)/,
  /^(col_description|obj_description|shobj_description|format_pg_type|format_type|map_to_pg_oid|get_block_size)$/,
  /^(stats|vector_type|histogram|histogram_values|finalize|combine|version)$/,
];
const allowedOfThose = /^(current_date|current_localtime|current_localtimestamp|current_timestamp|pg_typeof)$/;

const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();
const rows = await connection.runAndReadAll(
  "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate', 'macro') ORDER BY 1",
);
const names = rows
  .getRowsJson()
  .map(([name]) => String(name))
  .filter((name) => allowedOfThose.test(name) || !refused.some((pattern) => pattern.test(name)));
const lines: string[] = [""];
for (const name of names) {
  const last = lines.length - 1;
  if (`${lines[last]} ${name}`.length > 116) lines.push(name);
  else lines[last] = lines[last] === "" ? name : `${lines[last]} ${name}`;
}
const text = `// Written by scripts/functions.ts from DuckDB ${(await connection.runAndReadAll("SELECT version()")).getRowsJson()[0]?.[0]}; looked at by a person.

/** Scalar and aggregate functions that SQL may call. */
export const functionNames = \`
${lines.join("\n")}
\`;
`;
writeFileSync(path.join(import.meta.dirname, "..", "src", "compiler", "authorize", "function-names.ts"), text);
process.stdout.write(`${names.length} functions\n`);
