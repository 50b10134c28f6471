export { datasetId, datasetIdOfKey, newDatasetId, publicKeyOfSeed } from "./dataset-id.ts";
export { decodeBlock } from "./decode.ts";
export { encodeBlock } from "./encode.ts";
export type * from "./events.ts";
export { blockToJson } from "./json.ts";
