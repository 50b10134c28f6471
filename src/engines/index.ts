export type {
  ArrowImport,
  ColumnStatistics,
  Engine,
  EngineParameter,
  EngineParameters,
  EngineQuery,
  EngineResult,
  EngineRow,
  EngineScript,
  EngineValue,
  PoolStatus,
  ResultBody,
  ResultColumn,
  ResultFormat,
  ScriptStatement,
  SliceEngine,
  SliceHashes,
  SqlText,
  WorkerRole,
  WorkerStatus,
} from "./contract.ts";
export type { EnginePoolOptions, RoleOptions } from "./options.ts";
export { EnginePool } from "./pool/pool.ts";
