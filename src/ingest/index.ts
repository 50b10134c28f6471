export type { DatasetDefinition, DatasetHandle, IngestOptions, IngestRecord, PushRequest } from "./contract.ts";
export { engineConverter } from "./convert/converter.ts";
export { detectEncoding, detectFormat, detectionBytes, resolveFormat } from "./formats/detect.ts";
export { type Encoding, type FormatSpec, headBytesOf, parseFormat } from "./formats/spec.ts";
export { Generator } from "./generator/generator.ts";
export { webRequestColumns } from "./generator/web-requests.ts";
export { Ingest } from "./ingest.ts";
export type { IngestReceipt } from "./receipts.ts";
export { type Part, partFormat, splitRecords } from "./split/split.ts";
