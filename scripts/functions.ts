// Regenerates the lists of functions that SQL may and may not call, from what DuckDB says it has. A new version's new
// functions fail src/compiler/authorize/function-names.test.ts until the lists are written again and a person has looked at
// the difference: what is new and matches nothing here becomes callable.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";

/** Functions that reach settings, catalogs, sessions, logs, clocks of the process, other statements, or DuckDB's insides. */
const refused = [
  /^(current_|session_|inet_|pg_|has_|txid|in_search_path|user$)/,
  /^(nextval|currval|getvariable|getenv|current_setting|sleep_ms|write_log|parse_duckdb_log_message)$/,
  /^json_(serialize|deserialize|execute)/,
  /^(col_description|obj_description|shobj_description|format_pg_type|format_type|map_to_pg_oid|get_block_size)$/,
  /^(stats|vector_type|histogram|histogram_values|finalize|combine|version)$/,
  /^(__internal_|variant_bytes_to_variant$|variant_to_parquet_variant$|remap_struct$|setseed$)/,
];
const allowedOfThose = /^(current_date|current_localtime|current_localtimestamp|current_timestamp|pg_typeof)$/;
const callable = new Set(["scalar", "aggregate", "macro"]);
/** Macros over aggregates. */
const aggregateMacros = /^(geomean|geometric_mean|wavg|weighted_avg)$/;
/** Macros over functions of the clock or of chance, which DuckDB says of the functions alone. */
const clockMacros = /^(current_timestamp|current_localtime|current_localtimestamp|ago)$/;

const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();
const rowsOf = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson();
const functions = await rowsOf(
  "SELECT DISTINCT lower(function_name), function_type, stability FROM duckdb_functions() ORDER BY ALL",
);
const version = String((await rowsOf("SELECT version()"))[0]?.[0]);

const allowed = new Set<string>();
const closed = new Set<string>();
for (const [name, type] of functions.map((row) => row.map(String))) {
  if (name === undefined || type === undefined) continue;
  const isOpen = callable.has(type) && (allowedOfThose.test(name) || !refused.some((pattern) => pattern.test(name)));
  (isOpen ? allowed : closed).add(name);
}
for (const name of allowed) closed.delete(name);
const named = (holds: (type: string, stability: string, name: string) => boolean) =>
  new Set(
    functions
      .map((row) => row.map(String))
      .filter(([name = "", type = "", stability = ""]) => allowed.has(name) && holds(type, stability, name))
      .map(([name = ""]) => name),
  );

write("function-names.ts", "Scalar and aggregate functions that SQL may call.", "functionNames", allowed);
write(
  "refused-names.ts",
  "Functions of DuckDB that SQL may not call, but for the table functions that gate.ts lists.",
  "refusedNames",
  closed,
);
write(
  "aggregate-names.ts",
  "Those that SQL may call and that make one value of many rows.",
  "aggregateNames",
  named((type, _, name) => type === "aggregate" || aggregateMacros.test(name)),
);
write(
  "volatile-names.ts",
  "Those that SQL may call and whose value is not decided by their arguments.",
  "volatileNames",
  named(
    (_, stability, name) =>
      name !== "error" && (/^(VOLATILE|CONSISTENT_WITHIN_QUERY)$/.test(stability) || clockMacros.test(name)),
  ),
);
process.stdout.write(`${allowed.size} functions, ${closed.size} refused\n`);

function write(file: string, meaning: string, constant: string, names: ReadonlySet<string>): void {
  const lines: string[] = [""];
  for (const name of names) {
    const last = lines.length - 1;
    if (`${lines[last]} ${name}`.length > 116) lines.push(name);
    else lines[last] = lines[last] === "" ? name : `${lines[last]} ${name}`;
  }
  const text = `// Written by scripts/functions.ts from DuckDB ${version}; looked at by a person.

/** ${meaning} */
export const ${constant} = \`
${lines.join("\n")}
\`;
`;
  writeFileSync(path.join(import.meta.dirname, "..", "src", "compiler", "authorize", file), text);
}
