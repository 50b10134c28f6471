export type { Changes } from "./changes.ts";
export { compareMirror, type MirrorComparison } from "./compare.ts";
export type { Kind, ResourceName } from "./kind.ts";
export {
  connectionKind,
  type DatasetSpec,
  datasetKind,
  type LookupSpec,
  lookupDataset,
  lookupKind,
  projectKind,
  type SourceSpec,
  savedQueryKind,
  sourceKind,
} from "./kinds.ts";
export { parseManifests } from "./manifests.ts";
export type { ManifestInput, Resource } from "./resource.ts";
export { Resources } from "./resources.ts";
export { restoreDefinitions } from "./restore.ts";
