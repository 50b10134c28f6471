import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { WorkerSetup } from "../protocol/index.ts";

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
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
  for (const statement of [
    `SET GLOBAL temp_directory = ${text(setup.temporaryDirectory)}`,
    `SET GLOBAL max_temp_directory_size = '${setup.spillBytes}B'`,
    "SET GLOBAL TimeZone = 'UTC'",
    "SET GLOBAL preserve_insertion_order = true",
    "SET GLOBAL enable_object_cache = true",
    `SET GLOBAL allowed_directories = [${setup.directories.map(text).join(", ")}]`,
    "SET GLOBAL enable_external_access = false",
    "SET GLOBAL lock_configuration = true",
  ]) {
    await connection.run(statement);
  }
  connection.closeSync();
  return instance;
}

/** Says whether a job was called off, and stops what runs. */
export interface Interruption {
  readonly cancelled: boolean;
  /** Told of the connection that runs now, so that a cancel can interrupt it; null when none does. */
  watch(connection: DuckDBConnection | null): void;
}
