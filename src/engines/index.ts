export type {
  ArrowImport,
  ColumnStatistics,
  CopyEngine,
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
  SqlTree,
  WorkerRole,
  WorkerStatus,
  WrittenSlice,
} from "./contract.ts";
export { attachedDatabase } from "./contract.ts";
export type { EnginePoolOptions, RoleOptions } from "./options.ts";
export { EnginePool } from "./pool/pool.ts";
