import { DuckDBInstance } from "@duckdb/node-api";
import type { WorkerSetup } from "../protocol/index.ts";
import { literal } from "./names.ts";

/**
 * One DuckDB in memory, locked before any statement of a caller reaches it. The order matters: the temporary directory and
 * the allowed directories can only be set while external access is on, and `lock_configuration` comes last, so that no
 * SQL can undo any of it. Extension loading stays off: the built-in ones are all there is.
 */
export async function openInstance(setup: WorkerSetup): Promise<DuckDBInstance> {
  const instance = await DuckDBInstance.create(":memory:", {
    threads: String(setup.threads),
    memory_limit: `${setup.memoryBytes}B`,
    autoload_known_extensions: "false",
    autoinstall_known_extensions: "false",
    allow_community_extensions: "false",
    allow_unsigned_extensions: "false",
    errors_as_json: "true",
  });
  const connection = await instance.connect();
  for (const statement of [
    `SET GLOBAL temp_directory = ${literal(setup.temporaryDirectory)}`,
    `SET GLOBAL max_temp_directory_size = '${setup.spillBytes}B'`,
    "SET GLOBAL TimeZone = 'UTC'",
    "SET GLOBAL preserve_insertion_order = true",
    "SET GLOBAL enable_object_cache = true",
    // The system keeps what was read of files already. A second copy of each of thousands of small ones fills the worker's memory.
    "SET GLOBAL enable_external_file_cache = false",
    `SET GLOBAL allowed_directories = [${setup.directories.map(literal).join(", ")}]`,
    "SET GLOBAL enable_external_access = false",
    "SET GLOBAL lock_configuration = true",
  ]) {
    await connection.run(statement);
  }
  connection.closeSync();
  return instance;
}
