import { z } from "zod";
import type { Kind } from "./kind.ts";

const text = z.string().max(10_000);

export const projectKind: Kind<{ description?: string }> = {
  kind: "Project",
  scope: "organization",
  schema: z.strictObject({ description: text.exactOptional() }),
};

export const datasetSpec = z.strictObject({
  description: text.exactOptional(),
  keywords: z.array(z.string().max(200)).max(100).exactOptional(),
  /** A column or an SQL expression over the row's columns. */
  eventTime: z.string().max(1_000).exactOptional(),
  /** Longest wait of acknowledged rows for a commit, in milliseconds. */
  commitIntervalMs: z.int().min(50).max(3_600_000).exactOptional(),
  /** Columns with DuckDB types, in order; others that appear in the data are added behind them. */
  columns: z
    .array(z.strictObject({ name: z.string().min(1).max(255), type: z.string().min(1).max(1_000) }))
    .max(2_000)
    .exactOptional(),
});
export type DatasetSpec = z.infer<typeof datasetSpec>;
export const datasetKind: Kind<DatasetSpec> = { kind: "Dataset", scope: "project", schema: datasetSpec };

export const sourceSpec = z.strictObject({
  dataset: z.string().min(1).max(63),
  type: z.literal("generator"),
  template: z.literal("web-requests").default("web-requests"),
  rowsPerSecond: z.number().positive().max(100_000).default(20),
  paused: z.boolean().default(false),
});
export type SourceSpec = z.infer<typeof sourceSpec>;
export const sourceKind: Kind<SourceSpec> = {
  kind: "Source",
  scope: "project",
  schema: sourceSpec,
  immutable: ["dataset", "type"],
};

export const connectionKind: Kind<{ type: string; address: string; secret?: string }> = {
  kind: "Connection",
  scope: "project",
  schema: z.strictObject({
    type: z.string().min(1).max(100),
    address: z.string().min(1).max(2_000),
    secret: z.string().max(63).exactOptional(),
  }),
  immutable: ["type"],
};
