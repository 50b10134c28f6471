export { decodeBlock, encodeBlock } from "./codec.ts";
export { datasetId, datasetIdOfKey, isDatasetId, newDatasetId } from "./dataset-id.ts";
export type * from "./events.ts";
export { blockToJson } from "./json.ts";
export type * from "./source-events.ts";
