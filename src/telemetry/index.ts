export { FlowLedger } from "./activity/ledger.ts";
export type { LogDestination } from "./log/destination.ts";
export { type LogLevel, type LogOptions, openLogger, type RootLogger } from "./log/logger.ts";
export { type ExposedMetrics, type MetricsOptions, openMetrics } from "./metrics/prometheus.ts";
export { collectWorkers, type WorkerPool } from "./metrics/workers.ts";
export {
  type IngestRecord,
  type QueryRecord,
  type RowSink,
  type SystemEvent,
  type SystemRow,
  systemColumns,
  systemDatasets,
} from "./system/rows.ts";
export { type EventFeed, SystemWriter, type SystemWriterOptions } from "./system/writer.ts";
