export type { QuarantineRef } from "./chain/chain.ts";
export type { Change, NewQuarantine, NewSlice } from "./chain/commit.ts";
export { type CommitNotes, type IngestShare, readNotes } from "./chain/extra.ts";
export type { StoredBlock } from "./chain/stored-block.ts";
export type { CommitOutcome } from "./chain/writer.ts";
export type { DatasetPage, DatasetRef } from "./chain-index/chain-index.ts";
export { Datasets, type NewDataset } from "./datasets.ts";
export type { Head } from "./head.ts";
export type { AsOf } from "./history.ts";
export type { Broken } from "./layout/broken-parts.ts";
export type { CollectionReport } from "./layout/collect.ts";
export type { CompactionReport } from "./layout/compact.ts";
export type { ExpiryReport, Retention } from "./layout/expire.ts";
export type { CopyOptions } from "./layout/layouts.ts";
export type { ColumnStatistics, LiveSlice, SliceObject } from "./layout/live-slices.ts";
export type { OutdatedReport } from "./layout/outdated.ts";
export type { SupersedeReport } from "./layout/supersede.ts";
export type { CopyWorker, LayoutProgress } from "./layout/work.ts";
export {
  blockToJson,
  datasetId,
  decodeBlock,
  type MetadataBlock,
  type MetadataEvent,
  type SourceState,
} from "./odf/index.ts";
export type { OpenSlices } from "./open-slices.ts";
export type { CommitNews, DatasetsOptions, LayoutSizes } from "./options.ts";
export type { PackReport } from "./packs/packer.ts";
export type { ReindexReport } from "./reindex.ts";
export { changesOf, type OffsetBounds, type RelationFiles, relationOf } from "./relation.ts";
export type { Snapshot } from "./snapshot.ts";
export { type StoredDataset, storedDatasets } from "./stored.ts";
export type { ObjectPart } from "./transfer/named-objects.ts";
export type { TransferObject } from "./transfer/objects.ts";
export { receiveObject } from "./transfer/receive.ts";
export type { SliceReader } from "./verify/slice-reader.ts";
export type { VerifyLevel, VerifyOptions, VerifyReport } from "./verify/verify.ts";
