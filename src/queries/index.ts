export {
  type Flusher,
  Queries,
  type QueriesOptions,
  type QueryRecord,
  type QueryRequest,
  type QueryResult,
  type QueryState,
} from "./queries.ts";
