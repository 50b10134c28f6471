export { detectEncoding, detectFormat, detectionBytes, resolveFormat } from "./formats/detect.ts";
export { type Encoding, type FormatSpec, parseFormat } from "./formats/spec.ts";
export { Generator } from "./generator/generator.ts";
export {
  type DatasetDefinition,
  type DatasetHandle,
  Ingest,
  type IngestOptions,
  type IngestRecord,
  type PushRequest,
} from "./ingest.ts";
export type { IngestReceipt } from "./receipts.ts";
export { partFormat, splitRecords } from "./split/split.ts";
