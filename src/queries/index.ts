export type {
  Definer,
  DefinitionAnswer,
  Flusher,
  QueriesOptions,
  QueryRecord,
  QueryRequest,
  QueryResult,
  QueryState,
  StartedResult,
} from "./contract.ts";
export { keptLimits } from "./kept-results.ts";
export { Queries } from "./queries.ts";
