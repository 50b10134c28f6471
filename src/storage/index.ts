export { nodeDisk } from "./disk.ts";
export { directoryStore } from "./objects/directory-store.ts";
export type { GetOptions, ListOptions, LocalObject, ObjectStat, ObjectStore } from "./objects/object-store.ts";
export { type OpenObjectStore, openObjectStore } from "./objects/open.ts";
export { probeStore } from "./objects/probe.ts";
export { type DatabaseView, lookAtPostgres } from "./postgres/look.ts";
export { openPostgres, type Postgres, type PostgresOptions } from "./postgres/open.ts";
export { connect } from "./postgres/pool.ts";
export type { JSONValue, ReservedSql, Sql, Statements } from "./postgres/sql.ts";
