import { z } from "zod";
import { type DatasetPath, datasetName, datasetPath, projectName } from "../base/index.ts";
import { systemColumns } from "../slices/index.ts";
import { isColumnType } from "./column-type.ts";
import type { Kind } from "./kind.ts";

const text = z.string().max(10_000);
const localName = z.string().min(1).max(63);

/** The tenant unit: a SQL schema, members, quotas. `system` is the platform's own. */
export const projectKind: Kind<{ description?: string }> = {
  kind: "Project",
  scope: "organization",
  schema: z.strictObject({ description: text.exactOptional() }),
  permanent: ["system"],
  checkName: (name) => void projectName(name),
};

const columnName = z
  .string()
  .min(1)
  .max(255)
  .refine((name) => !systemColumns.includes(name.toLowerCase()), {
    message: `every dataset has the columns ${systemColumns.join(", ")} already`,
  });
const columnType = z.string().min(1).max(1_000).refine(isColumnType, {
  message: "that is no type of DuckDB, as BIGINT, DECIMAL(18,2), VARCHAR[] or STRUCT(a DATE)",
});

/** Columns whose values, together, name a row. */
const keyColumns = z
  .array(columnName)
  .min(1)
  .max(16)
  .refine((key) => new Set(key.map((column) => column.toLowerCase())).size === key.length, {
    message: "a column stands twice in the key",
  });

export const datasetSpec = z.strictObject({
  description: text.exactOptional(),
  keywords: z.array(z.string().max(200)).max(100).exactOptional(),
  /** As Open Data Fabric's SetLicense event says it. */
  license: z
    .strictObject({
      shortName: z.string().min(1).max(100),
      name: z.string().min(1).max(1_000),
      spdxId: z.string().max(100).exactOptional(),
      websiteUrl: z.url().max(2_000),
    })
    .exactOptional(),
  /** A column or an SQL expression over the row's columns. */
  eventTime: z.string().min(1).max(1_000).exactOptional(),
  /** Longest wait of acknowledged rows for a commit, in milliseconds. */
  commitIntervalMs: z.int().min(50).max(3_600_000).exactOptional(),
  /** How long small original slices are kept beside the compacted copy that covers them, in milliseconds. */
  keepingTimeMs: z
    .int()
    .min(0)
    .max(10 * 365 * 86_400_000)
    .exactOptional(),
  /** What is kept of the rows: what is older, or beyond so many of the newest rows or bytes, expires, whole files at a time. */
  retention: z
    .strictObject({
      ageMs: z
        .int()
        .min(60_000)
        .max(100 * 365 * 86_400_000)
        .exactOptional(),
      rows: z.int().min(1).exactOptional(),
      bytes: z.int().min(1).exactOptional(),
    })
    .refine((retention) => Object.keys(retention).length > 0, { message: "say ageMs, rows or bytes" })
    .exactOptional(),
  /** It is a read-only copy of a dataset elsewhere, which `millrace pull` keeps. */
  replica: z
    .strictObject({
      origin: z.url().max(2_000).refine(holdsNoPassword, { message: "an origin's address holds no password" }),
    })
    .exactOptional(),
  /** It is a derivative: the result of a SELECT over other datasets, kept right as their rows arrive. */
  transform: z
    .strictObject({
      sql: z.string().min(1).max(200_000),
      /** The result has one row of each value of these columns. */
      key: keyColumns.exactOptional(),
      /** A run reads of each input up to the end of the commit that has this many rows. */
      maxRows: z.int().min(1).max(1_000_000_000).exactOptional(),
    })
    .exactOptional(),
  /** Of a derivative: its transform does not run for now. */
  paused: z.boolean().exactOptional(),
  /** Columns with DuckDB types, in order; others that appear in the data are added behind them. */
  columns: z
    .array(z.strictObject({ name: columnName, type: columnType }))
    .max(2_000)
    .refine((columns) => new Set(columns.map((column) => column.name.toLowerCase())).size === columns.length, {
      message: "two columns have one name",
    })
    .exactOptional(),
});
export type DatasetSpec = z.infer<typeof datasetSpec>;

/** An append log of rows and its chain. The name belongs to SQL: `project.dataset`. */
export const datasetKind: Kind<DatasetSpec> = {
  kind: "Dataset",
  scope: "project",
  schema: datasetSpec.superRefine((spec, context) => {
    const { transform, paused } = spec;
    if (transform === undefined && paused !== undefined)
      context.addIssue({ code: "custom", path: ["paused"], message: "only a dataset with a transform can be paused" });
    for (const member of ["columns", "eventTime", "commitIntervalMs", "replica"] as const)
      if (transform !== undefined && spec[member] !== undefined)
        context.addIssue({
          code: "custom",
          path: [member],
          message: "a dataset with a transform has none: its SELECT says it",
        });
  }),
  immutable: ["replica"],
  native: ["transform"],
  checkName: (name) => void datasetName(name),
};

export const sourceSpec = z.discriminatedUnion("type", [
  /** Others send rows: to the API, under this source's name. */
  z.strictObject({ type: z.literal("push"), dataset: localName, paused: z.boolean().default(false) }),
  /** Made-up rows, for trying things out. */
  z.strictObject({
    type: z.literal("generator"),
    dataset: localName,
    template: z.literal("web-requests").default("web-requests"),
    rowsPerSecond: z.number().positive().max(100_000).default(20),
    paused: z.boolean().default(false),
  }),
]);
export type SourceSpec = z.infer<typeof sourceSpec>;

/** What feeds a dataset from outside. */
export const sourceKind: Kind<SourceSpec> = {
  kind: "Source",
  scope: "project",
  schema: sourceSpec,
  immutable: ["dataset", "type"],
  owners: ({ project, spec }) => [{ kind: datasetKind.kind, project, name: spec.dataset }],
};

const lookupSpec = z.strictObject({
  /** Of the same project, or `project.dataset`. */
  dataset: z
    .string()
    .min(1)
    .max(127)
    .refine((name) => !name.startsWith("system."), {
      message: "the system's own datasets announce no commits that a lookup could follow",
    }),
  key: keyColumns,
});

export type LookupSpec = z.infer<typeof lookupSpec>;

/** A dataset's rows by key, held in memory by servers. */
export const lookupKind: Kind<LookupSpec> = {
  kind: "Lookup",
  scope: "project",
  schema: lookupSpec,
  checkName: (name) => void datasetName(name),
  owners({ project, spec }) {
    const { project: its, dataset } = lookupDataset(project ?? "", spec);
    return [{ kind: datasetKind.kind, project: its, name: dataset }];
  },
};

/** The dataset that a lookup of this project stands on. @throws bad_name */
export function lookupDataset(project: string, { dataset }: LookupSpec): DatasetPath {
  if (dataset.includes(".")) return datasetPath(dataset);
  return { project: projectName(project), dataset: datasetName(dataset) };
}

/** An address outside, and the project's secret that opens it (looked up when it is used). */
export const connectionKind: Kind<{ type: string; address: string; secret?: string }> = {
  kind: "Connection",
  scope: "project",
  schema: z.strictObject({
    type: z.string().min(1).max(100),
    address: z.string().min(1).max(2_000).refine(holdsNoPassword, {
      message: "an address holds no password: keep it in a secret, and name that in `secret`",
    }),
    secret: localName.exactOptional(),
  }),
  immutable: ["type"],
};

const chartBytes = 16 * 1024;

export const savedQuerySpec = z.strictObject({
  /** How people call it; its name where it is not said. */
  title: z.string().min(1).max(200).exactOptional(),
  /** Where it stands in the project's tree, as in `reports/monthly`; empty: at the top. */
  folder: z
    .string()
    .max(500)
    .regex(/^$|^[^/]+(\/[^/]+)*$/, "names joined by slashes, as in reports/monthly"),
  sql: z.string().max(200_000),
  /** How its result is drawn; whoever draws it knows what it says. */
  chart: z
    .json()
    .refine((chart) => JSON.stringify(chart).length <= chartBytes, {
      message: `at most ${chartBytes} characters of JSON`,
    })
    .exactOptional(),
});

/** A query that a project keeps and its members share. */
export const savedQueryKind: Kind<z.infer<typeof savedQuerySpec>> = {
  kind: "SavedQuery",
  scope: "project",
  schema: savedQuerySpec,
  whenOwnerGoes: "go",
};

function holdsNoPassword(address: string): boolean {
  return !/^[a-z][a-z0-9+.-]*:\/\/[^/@\s]*:[^/@\s]+@/i.test(address);
}
