import type { z } from "zod";
import type * as views from "../../../src/gateway/http/views.ts";

/** What the API answers with: the types of the server's own schemas. */
type View<Name extends keyof typeof views> = (typeof views)[Name] extends z.ZodType
  ? z.infer<(typeof views)[Name]>
  : never;

export type WhoAmI = View<"principalView">;
export type Resource = View<"resourceView">;
export type Dataset = View<"datasetView">;
export type OneDataset = View<"oneDatasetView">;
export type Block = View<"blockView">;
export type Slice = View<"sliceView">;
export type QuarantineReason = View<"quarantineView">;
export type QuarantineRetry = View<"retryView">;
export type VerifyReport = View<"verifyReport">;
export type IngestReceipt = View<"ingestView">;
export type Preview = View<"previewView">;
export type Query = View<"queryView">;
export type Task = View<"taskView">;
export type PlatformEvent = View<"eventView">;
export type Activity = View<"activityView">;
export type LiveActivity = View<"liveActivityView">;
export type User = View<"userView">;
export type Token = View<"tokenView">;
export type Grant = View<"grantView">;
export type Setting = View<"configView">;
export type Lineage = View<"lineageView">;
export type LineageNode = Lineage["nodes"][number];
export type LineageEdge = Lineage["edges"][number];
export type DatasetLineage = View<"datasetLineageView">;
export type Lookup = View<"lookupView">;
