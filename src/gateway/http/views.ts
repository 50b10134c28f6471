import { z } from "zod";

/**
 * What the API answers with. The schemas are the one source of the OpenAPI document, of the replies' types here and of the
 * types of clients. Times are ISO 8601 in UTC.
 */
const time = z.string().meta({ format: "date-time" });
const labels = z.record(z.string(), z.string());
const json = z.unknown();

export const principalView = z
  .object({
    version: z.string(),
    command: z.string().meta({ description: "How the command line is called on the server's machine" }),
    organization: z.string(),
    user: z.string(),
    isOwner: z.boolean(),
    tokenId: z.string().nullable(),
    scopes: z.array(z.string()),
  })
  .meta({ id: "WhoAmI" });

export const sessionView = z
  .object({
    who: principalView.nullable().describe("null: sign in."),
    setUp: z.object({
      needed: z.boolean().describe("The owner has no password yet."),
      tokenFile: z
        .string()
        .nullable()
        .describe("Where the owner's first token lies; told on the server's machine only."),
    }),
  })
  .meta({ id: "Session" });

export const resourceView = z
  .object({
    id: z.string(),
    kind: z.string(),
    project: z.string().nullable(),
    name: z.string(),
    generation: z.int().describe("Grows with each change; send it as If-Match to change only what you saw."),
    labels,
    spec: json,
    status: json,
    createdAt: time,
    updatedAt: time,
    updatedBy: z.string(),
  })
  .meta({ id: "Resource" });
export type ResourceView = z.infer<typeof resourceView>;

export const appliedView = z
  .object({ outcome: z.enum(["created", "updated", "unchanged"]), resource: resourceView })
  .meta({ id: "Applied" });

export const differenceView = z
  .object({
    kind: z.string(),
    project: z.string().nullable(),
    name: z.string(),
    differences: z.array(z.object({ path: z.string(), before: json, after: json })),
  })
  .meta({ id: "Difference" });

export const datasetView = z
  .object({
    datasetId: z.string(),
    project: z.string(),
    dataset: z.string(),
    seq: z.int().describe("Sequence number of the newest block."),
    head: z.string().describe("Multihash of the newest block."),
    rows: z.int(),
    bytes: z.int(),
    slices: z.int(),
    nextOffset: z.int(),
    schema: z.array(z.object({ name: z.string(), type: json })).nullable(),
    watermark: time.nullable(),
    lastCommitAt: time.nullable(),
  })
  .meta({ id: "Dataset" });

export const oneDatasetView = datasetView
  .extend({
    origin: z.string().nullable().describe("Address of the dataset that this is a copy of; null for one of its own."),
    transform: z
      .object({
        sql: z.string(),
        mode: z.string().describe("How the result is kept right."),
        why: z.string().describe("Why it is kept right that way."),
        key: z
          .array(z.string())
          .describe("The columns of which the result has one row each; empty where it has no KEY."),
        inputs: z.array(z.object({ project: z.string(), dataset: z.string() })),
        state: z.enum(["paused", "idle", "waiting", "running", "failing"]),
        failures: z.int().describe("Runs that failed in a row."),
        error: z.object({ code: z.string(), message: z.string() }).nullable(),
        nextTryAt: time.nullable(),
        awaited: z
          .object({
            project: z.string(),
            dataset: z.string(),
            watermark: time.nullable().describe("Null: it has no columns yet."),
          })
          .nullable()
          .describe("What is looked up, and the watermark of it that new rows wait for; null: for nothing but a turn."),
        emit: z
          .object({
            when: z.enum(["changes", "close"]),
            latenessMs: z.number().describe("How far the watermark stays behind."),
            allowedMs: z
              .number()
              .nullable()
              .describe("How long rows still correct a window that is closed; null: for ever."),
            idleMs: z
              .number()
              .nullable()
              .describe("How long an input brings nothing until it no longer holds windows open; null: for ever."),
            sync: z.boolean().describe("Whether new rows wait until what they are joined to is not behind them."),
          })
          .nullable()
          .describe("When it tells of windows; null where its text does not say."),
        watermark: time
          .nullable()
          .describe("No earlier event time is expected; null where an input has brought none yet."),
        rowsLate: z.int().describe("Rows that came too late and were left out, since this server started."),
        groups: z
          .discriminatedUnion("kept", [
            z.object({ kept: z.literal(true), count: z.int(), sizeBytes: z.int() }),
            z.object({ kept: z.literal(false), whyNot: z.string() }),
          ])
          .describe("What this server keeps of its groups, so that runs read new rows alone."),
      })
      .nullable()
      .describe("The SELECT whose result this is; null where its rows come from outside."),
  })
  .meta({ id: "OneDataset" });

export const blockView = z
  .object({ seq: z.int(), hash: z.string(), block: json.describe("The ODF metadata block as JSON.") })
  .meta({ id: "Block" });
export type BlockView = z.infer<typeof blockView>;

export const sliceView = z
  .object({
    hash: z.string(),
    firstOffset: z.int(),
    lastOffset: z.int(),
    rows: z.int(),
    sizeBytes: z.int(),
    seq: z.int(),
    systemTime: time,
  })
  .meta({ id: "Slice" });

export const quarantineView = z
  .object({
    reason: z.string(),
    column: z.string().nullable(),
    rows: z.int(),
    retried: z.int().describe("Of these, rows that were sent again; what was refused again stands here anew."),
    firstLine: z.int().nullable(),
    lastReceivedAt: time.nullable(),
    sample: z.string().nullable(),
  })
  .meta({ id: "QuarantineReason" });

export const retryView = z
  .object({
    accepted: z.int().describe("Rows that are in the dataset now."),
    quarantinedAgain: z.int(),
    alreadyRetried: z.int().describe("Rows that an earlier call has sent: not sent again."),
    notRetryable: z.int().describe("Rows whose text is not whole, or was kept before it was noted how it is read."),
    left: z.int().describe("Rows for the next call, where there are very many."),
    receipts: z.array(z.string()).describe("Of the ingests; see GET /api/v1/ingests/{id}."),
  })
  .meta({ id: "QuarantineRetry" });
export type RetryView = z.infer<typeof retryView>;

export const verifyReport = z
  .object({
    ok: z.boolean(),
    blocks: z.int(),
    slices: z.int(),
    superseded: z.int().describe("Of the slices, those that were proven from a compacted copy."),
    expired: z.int().describe("Of the slices, those whose rows have expired."),
    rows: z.int(),
    broken: z.object({ object: z.string(), reason: z.string() }).nullable().describe("The first broken object."),
    rebuilt: z
      .object({ runs: z.int(), expired: z.int().describe("Runs whose inputs' rows have expired.") })
      .nullable()
      .describe("Runs of the dataset's transform that made the same rows again; null where none was asked for."),
  })
  .meta({ id: "VerifyReport" });
export type VerifyReport = z.infer<typeof verifyReport>;

export const ingestView = z
  .object({
    id: z.string(),
    dataset: z.string().describe("PROJECT.DATASET"),
    state: z.enum(["staged", "committed", "failed"]),
    rows: z.int().nullable(),
    quarantined: z.int().nullable(),
    firstOffset: z.int().nullable(),
    lastOffset: z.int().nullable(),
    block: z.string().nullable(),
    seq: z.int().nullable(),
    duplicate: z.boolean().describe("The same request was stored before; nothing was stored again."),
    reasons: z
      .array(z.object({ reason: z.string(), count: z.int(), firstLine: z.int().nullable() }))
      .optional()
      .describe("Why rows were quarantined."),
  })
  .meta({ id: "IngestReceipt" });
export type IngestView = z.infer<typeof ingestView>;

export const previewView = z
  .object({
    format: z.string().describe("ndjson, json, csv, parquet, arrow or text."),
    options: z.record(z.string(), json).describe("Of the format: delimiter and header, or pattern."),
    formatName: z.string().describe("Says both, as ?format= of the rows wants it."),
    encoding: z.enum(["identity", "gzip", "zstd"]).describe("What Content-Encoding must say of the file."),
    columns: z.array(z.object({ name: z.string(), type: z.string() })),
    rows: z.array(z.record(z.string(), json)).describe("The first 20, as results of SQL show them."),
    problems: z
      .array(
        z.object({
          line: z.int().nullable().describe("null: of the file as a whole."),
          column: z.string().nullable(),
          reason: z.string(),
          raw: z.string().nullable(),
        }),
      )
      .describe("The first 20 rows that would be put into quarantine, and why."),
  })
  .meta({ id: "Preview" });
export type PreviewView = z.infer<typeof previewView>;

export const queryView = z
  .object({
    queryId: z.string(),
    state: z.enum(["queued", "running", "done", "failed", "cancelled"]),
    sql: z.string(),
    user: z.string(),
    origin: z.string(),
    startedAt: time,
    elapsedMs: z.number(),
    rows: z.int().nullable(),
    errorCode: z.string().nullable(),
    traceId: z.string(),
    resultUntil: time.nullable().describe("Until when the result of a query that was not waited for is kept."),
    progress: z.number().nullable().describe("Of the work of a running query, from 0 to 1, where it is known."),
  })
  .meta({ id: "Query" });
export type QueryView = z.infer<typeof queryView>;

export const taskView = z
  .object({
    id: z.string(),
    kind: z.string(),
    project: z.string().nullable(),
    state: z.string(),
    priority: z.int(),
    attempts: z.int(),
    maxAttempts: z.int(),
    progress: z.object({ done: z.number(), total: z.number().nullable(), text: z.string().nullable() }).nullable(),
    error: z.string().nullable(),
    createdAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
  })
  .meta({ id: "Task" });
export type TaskView = z.infer<typeof taskView>;

export const eventView = z
  .object({
    position: z.int(),
    id: z.string(),
    at: time,
    type: z.string(),
    subject: z.string(),
    project: z.string().nullable(),
    data: json,
  })
  .meta({ id: "Event" });

const flow = { project: z.string(), dataset: z.string() };

/** What the live stream tells at most once a second. */
export const liveActivityView = z
  .object({
    at: time,
    datasets: z
      .array(z.object({ ...flow, rows: z.int(), bytes: z.int() }))
      .describe("What was committed since the last one; the most active 200."),
    queriesRunning: z.int().describe("Queries that wait or run at this server: all for an owner, else your own."),
    tasksRunning: z.int(),
    queries: z
      .array(
        z.object({
          queryId: z.string(),
          traceId: z.string(),
          state: z.string(),
          progress: z.number().nullable().describe("From 0 to 1, where it is known."),
        }),
      )
      .describe("Those of your own that wait or run; the oldest 20."),
  })
  .meta({ id: "LiveActivity" });
export type LiveActivity = z.infer<typeof liveActivityView>;

/** Events that a reader of the live stream missed because it was away for too long: what it shows must be asked for anew. */
export const liveGapView = z.object({ after: z.int(), upTo: z.int() }).meta({ id: "LiveGap" });
export type LiveGap = z.infer<typeof liveGapView>;

export const activityView = z
  .object({
    from: time.describe("Where the first step begins."),
    stepMs: z.int(),
    datasets: z
      .array(z.object({ ...flow, rows: z.array(z.int()), bytes: z.array(z.int()) }))
      .describe("The most active 200; one number a step, the newest step last."),
    total: z.object({ datasets: z.int(), rows: z.array(z.int()), bytes: z.array(z.int()) }).describe("Of all of them."),
  })
  .meta({ id: "Activity" });

const stored = { rows: z.int(), bytes: z.int(), slices: z.int() };
export const storageView = z
  .object({
    total: z.object({ datasets: z.int(), ...stored }),
    projects: z.array(z.object({ project: z.string(), datasets: z.int(), ...stored })).describe("Most bytes first."),
    datasets: z.array(z.object({ ...flow, ...stored })).describe("The greatest `limit` by bytes."),
  })
  .meta({ id: "Storage" });

export const userView = z.object({ name: z.string(), isOwner: z.boolean(), createdAt: time }).meta({ id: "User" });
export type UserView = z.infer<typeof userView>;

export const tokenView = z
  .object({
    id: z.string(),
    user: z.string(),
    label: z.string(),
    scopes: z.array(z.string()),
    createdAt: time,
    expiresAt: time.nullable(),
    lastUsedAt: time.nullable(),
  })
  .meta({ id: "Token" });
export type TokenView = z.infer<typeof tokenView>;

export const grantView = z
  .discriminatedUnion("kind", [
    z.object({ kind: z.literal("role"), user: z.string(), role: z.enum(["owner", "editor", "viewer"]) }),
    z.object({
      kind: z.literal("dataset"),
      user: z.string(),
      dataset: z.string(),
      privilege: z.enum(["select", "insert", "alter", "admin"]),
    }),
  ])
  .meta({ id: "Grant" });
export type GrantView = z.infer<typeof grantView>;

export const configView = z
  .object({
    name: z.string(),
    value: json.describe("null where it is secret and set."),
    origin: z.string(),
    secret: z.boolean(),
    description: z.string(),
  })
  .meta({ id: "Setting" });

export const lookupView = z.object({
  project: z.string(),
  name: z.string(),
  dataset: z.string().describe("PROJECT.DATASET whose rows it holds."),
  key: z.array(z.string()),
  state: z.enum(["loading", "ready", "failed"]),
  entries: z.int(),
  bytes: z.int().describe("Memory that keys, rows and the table take."),
  entryBytes: z.int().nullable(),
  appliedOffset: z.int().describe("Rows of the dataset below this offset are in it."),
  behindRows: z.int(),
  behindMs: z.int(),
  skippedRows: z.int().describe("Rows that have no place in it: a column of the key is null, or the key is too long."),
  problem: z.string().nullable(),
  at: z.string(),
});

const lineageNode = z
  .object({
    id: z.string().describe("By which edges name it."),
    kind: z.enum(["root", "derivative", "lookup"]).describe("root: its rows come from outside."),
    project: z.string(),
    name: z.string(),
    state: z.string().nullable().describe("As its own view says it; null for a root."),
    mode: z.string().nullable().describe("How a derivative is kept right."),
    rows: z.int().describe("Of a lookup: its entries."),
    lastCommitAt: time.nullable(),
    behindRows: z.int().nullable().describe("Rows of its inputs that it has not taken in; null for a root."),
    behindMs: z.int().nullable().describe("Since the oldest of these rows was committed."),
    problem: z.string().nullable(),
  })
  .meta({ id: "LineageNode" });

const lineageEdge = z
  .object({
    from: z.string(),
    to: z.string(),
    readOffset: z.int().describe("Rows of the input below this offset have been taken in."),
    behindRows: z.int(),
    behindMs: z.int(),
  })
  .meta({ id: "LineageEdge" });

export const lineageView = z
  .object({
    nodes: z.array(lineageNode),
    edges: z.array(lineageEdge).describe("From an input to what is made of it; they make no circle."),
    truncated: z.boolean().describe("There are more than `limit`."),
  })
  .meta({ id: "Lineage" });

export const datasetLineageView = lineageView
  .extend({
    columns: z
      .array(
        z.object({
          name: z.string(),
          from: z
            .array(z.object({ project: z.string(), dataset: z.string(), column: z.string() }))
            .nullable()
            .describe("null: the SELECT does not tell, or it comes of what you may not read."),
        }),
      )
      .describe("Of a derivative: the input columns that each of its columns is computed of; empty for any other."),
  })
  .meta({ id: "DatasetLineage" });
