export type { Brand } from "./brand.ts";
export { type Clock, type DeadlineSignal, deadlineSignal, delay, systemClock } from "./clock.ts";
export {
  type Config,
  type ConfigEntry,
  type ConfigOrigin,
  type ConfigValues,
  configTypes,
  describeOrigin,
  environmentName,
  resolveConfig,
  type Setting,
} from "./config.ts";
export type { Disk, DiskEntry, DiskFile, DiskStat } from "./disk.ts";
export { errorCodes } from "./error-codes.ts";
export {
  asMillraceError,
  type ErrorCode,
  type ErrorDetails,
  MillraceError,
  positionAt,
  type TextPosition,
  unreachable,
} from "./errors.ts";
export {
  type DatasetId,
  type IdSource,
  type IngestId,
  idSource,
  type QueryId,
  type ResourceId,
  type TaskId,
  type TraceId,
  type WorkerId,
} from "./ids.ts";
export { Lifecycle, type Service } from "./lifecycle.ts";
export { abortable, Mutex, Semaphore } from "./mutex.ts";
export {
  type DatasetName,
  type DatasetPath,
  datasetName,
  datasetPath,
  formatDatasetPath,
  nearest,
  type OrganizationName,
  organizationName,
  type ProjectName,
  projectName,
  type UserName,
  userName,
} from "./names.ts";
export { ownCommand } from "./own-command.ts";
export { type Random, seededRandom, systemRandom } from "./random.ts";
export {
  type Labels,
  type LogFields,
  type Logger,
  type Metrics,
  silentTelemetry,
  type Telemetry,
  type Trace,
} from "./telemetry.ts";
export { formatInstant, type Instant, instant } from "./time.ts";
export * as wasm from "./wasm-code.ts";
