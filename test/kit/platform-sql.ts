import { readFile } from "node:fs/promises";
import path from "node:path";
import { connect, type Sql } from "../../src/storage/index.ts";
import { clusterOf } from "./processes.ts";

/** A connection to the PostgreSQL that a platform keeps in its data folder. */
export async function platformSql(dataDirectory: string): Promise<AsyncDisposable & { readonly sql: Sql }> {
  const password = (await readFile(path.join(dataDirectory, "postgres", "password"), "utf8")).trim();
  const lines = (await readFile(path.join(clusterOf(dataDirectory), "postmaster.pid"), "utf8")).split("\n");
  const sql = connect(`postgres://millrace:${password}@127.0.0.1:${lines[3]}/postgres`, 1);
  return { sql, [Symbol.asyncDispose]: () => sql.end({ timeoutMs: 1_000 }) };
}
