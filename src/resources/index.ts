export type { Kind } from "./kind.ts";
export { connectionKind, type DatasetSpec, datasetKind, projectKind, type SourceSpec, sourceKind } from "./kinds.ts";
export { parseManifests } from "./manifests.ts";
export { restoreDefinitions } from "./mirror.ts";
export type { ManifestInput, Resource } from "./resource.ts";
export {
  type Applied,
  type ApplyOptions,
  type Difference,
  type EventAppender,
  type ResourceName,
  Resources,
} from "./resources.ts";
