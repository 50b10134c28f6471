export type { Applied, ApplyOptions, Changes, DeleteOptions, EventAppender } from "./changes.ts";
export type { Difference } from "./difference.ts";
export type { Kind, ResourceName } from "./kind.ts";
export { connectionKind, type DatasetSpec, datasetKind, projectKind, type SourceSpec, sourceKind } from "./kinds.ts";
export { parseManifests } from "./manifests.ts";
export type { ManifestInput, Resource } from "./resource.ts";
export { type ListFilter, Resources, type ResourcesOptions } from "./resources.ts";
export { restoreDefinitions } from "./restore.ts";
export type { ChangeFeed, ChangeNews } from "./watch.ts";
