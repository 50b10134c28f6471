import type { Sql } from "../../src/storage/index.ts";

/** Every table of a database as SQL text: columns with types, defaults and nullability, constraints, indexes. */
export async function describeSchema(sql: Sql): Promise<string> {
  const tables = await sql<
    { name: string }[]
  >`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1`;
  const parts: string[] = [];
  for (const { name } of tables) {
    const columns = await sql<{ line: string }[]>`
      SELECT a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attidentity <> '' THEN ' GENERATED ALWAYS AS IDENTITY' ELSE '' END
        || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
        || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') AS line
      FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
      WHERE a.attrelid = ${name}::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`;
    const constraints = await sql<{ line: string }[]>`
      SELECT pg_get_constraintdef(oid) AS line FROM pg_constraint
      WHERE conrelid = ${name}::regclass AND contype IN ('p', 'u', 'c', 'f') ORDER BY contype DESC, conname`;
    const indexes = await sql<{ line: string }[]>`
      SELECT indexdef AS line FROM pg_indexes WHERE schemaname = 'public' AND tablename = ${name}
        AND indexname NOT IN (SELECT conname FROM pg_constraint WHERE conrelid = ${name}::regclass) ORDER BY indexname`;
    const lines = [...columns, ...constraints].map(({ line }) => `  ${line}`).join(",\n");
    parts.push(`CREATE TABLE ${name} (\n${lines}\n);\n${indexes.map(({ line }) => `${line};\n`).join("")}`);
  }
  return `-- Every table, as the migrations leave it. Written by \`npm run schema\`; a test holds it.\n\n${parts.join("\n")}`;
}
