import { z } from "zod";
import { MillraceError } from "../../base/index.ts";
import { isLoopback } from "../edge/index.ts";
import type { Principal } from "./access-contract.ts";
import type { DatasetRef, Encoding, Rooms } from "./contract.ts";
import { datasetParams, findDataset, flag } from "./parts.ts";
import { ensureProject, orExists } from "./project.ts";
import { type HttpRoute, jsonRoute, streamRoute } from "./route.ts";
import { ingestView } from "./views.ts";

const tag = "ingest";
const one = "/api/v1/projects/{project}/datasets/{dataset}";

const formatByType: Readonly<Record<string, string>> = {
  "application/x-ndjson": "ndjson",
  "application/ndjson": "ndjson",
  "application/jsonl": "ndjson",
  "application/json": "json",
  "text/csv": "csv",
  "text/tab-separated-values": "tsv",
  "application/vnd.apache.parquet": "parquet",
  "application/x-parquet": "parquet",
  "application/vnd.apache.arrow.stream": "arrow",
  "application/vnd.apache.arrow.file": "arrow",
};

const query = z.strictObject({
  format: z
    .string()
    .max(200)
    .optional()
    .describe("Comes before Content-Type: ndjson, json, csv, tsv, parquet, arrow, combined, ..."),
  pattern: z.string().max(4_096).optional().describe("For lines of text: combined, common, syslog, or named groups."),
  ack: z
    .enum(["staged", "committed"])
    .default("staged")
    .describe("What the answer waits for: the durable log, or the chain."),
  create: flag.default(false).describe("Makes the dataset and the project where they are absent."),
  eventTime: z.string().max(1_000).optional().describe("A column or an expression that gives each row's event time."),
});
const headers = z.object({
  "content-type": z.string().optional(),
  "content-encoding": z.string().optional().describe("identity, gzip or zstd"),
  "idempotency-key": z.string().min(1).max(255).optional().describe("A repeated key stores nothing again."),
  "millrace-source": z.string().min(1).max(500).optional().describe("Import: which input this part is of."),
  "millrace-position": z.string().min(1).max(500).optional().describe("Import: the part's place in it."),
  "millrace-part-file": z
    .uuid()
    .optional()
    .describe("Import from this machine: the part is this file in the incoming folder; the request has no body."),
  "millrace-part-lines": z.coerce.number().int().min(0).default(0).describe("Import from this machine: its lines."),
  "millrace-first-line": z.coerce.number().int().min(1).optional().describe("Import: the part's first line number."),
});

export function rowRoutes<Format>(rooms: Rooms<Format>): HttpRoute[] {
  const { access, datasets, ingest } = rooms;
  return [
    streamRoute({
      method: "POST",
      path: `${one}/rows`,
      summary: "Appends rows; a body of any size streams",
      tag,
      params: datasetParams,
      query,
      headers,
      body: { schema: z.unknown(), types: [...Object.keys(formatByType), "text/plain", "application/octet-stream"] },
      reply: { status: 200, schema: ingestView, types: ["application/json"] },
      async handle({ params, query: asked, headers: told, principal, exchange, signal }) {
        // All that can be refused is refused before the first byte of the body is read.
        const format = ingest.parseFormat(formatName(asked.format, asked.pattern, told["content-type"]));
        const encoding = encodingOf(told["content-encoding"]);
        const sourcePosition = positionOf(told);
        const local = localBody(told, exchange.address);
        const dataset = await writable(params, principal, asked.create);
        const receipt = await ingest.push(
          {
            dataset,
            body: exchange.body(),
            ...(local === null ? {} : { localBody: local }),
            format,
            encoding,
            ack: asked.ack,
            by: principal.user,
            traceId: exchange.traceId,
            ...(told["idempotency-key"] === undefined ? {} : { idempotencyKey: told["idempotency-key"] }),
            ...(sourcePosition === null ? {} : { sourcePosition }),
            ...(asked.eventTime === undefined ? {} : { eventTime: asked.eventTime }),
          },
          signal,
        );
        exchange.json(receipt.state === "staged" ? 202 : 200, receipt, { location: `/api/v1/ingests/${receipt.id}` });
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/ingests/incoming",
      summary: "The folder into which a client on this machine may put the parts of an import; null for others",
      tag,
      reply: z.object({ directory: z.string().nullable() }),
      async handle({ exchange }) {
        return { directory: isLoopback(exchange.address) ? ingest.incomingDirectory() : null };
      },
    }),
    jsonRoute({
      method: "POST",
      path: `${one}/flush`,
      summary: "Commits the rows that wait, and answers when they are in the chain",
      tag,
      params: datasetParams,
      reply: z.void(),
      async handle({ params, principal, signal }) {
        await access.authorize(principal, "dataset.insert", { dataset: params });
        await ingest.flush((await findDataset(datasets, params)).id, signal);
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/ingests/{id}",
      summary: "The receipt of a push",
      tag,
      params: z.object({ id: z.string().max(100) }),
      reply: ingestView,
      async handle({ params, principal }) {
        const receipt = await ingest.receipt(params.id);
        const path = receipt === null ? null : datasetParams.parse(splitPath(receipt.dataset));
        // Someone else's receipt is not told from one that never was.
        if (receipt === null || path === null || !(await mayRead(principal, path))) {
          throw new MillraceError("not_found", "There is no such receipt.");
        }
        return receipt;
      },
    }),
  ];

  async function mayRead(principal: Principal, path: DatasetRef["path"]): Promise<boolean> {
    return (
      (await access.allows(principal, "dataset.insert", { dataset: path })) ||
      (await access.allows(principal, "dataset.select", { dataset: path }))
    );
  }

  /** The dataset, made with its project where that is asked for and allowed. @throws dataset_not_found, forbidden */
  async function writable(path: DatasetRef["path"], principal: Principal, create: boolean): Promise<DatasetRef> {
    const found = await datasets.find(path);
    if (found === null && create) await declare(path, principal);
    await access.authorize(principal, "dataset.insert", { dataset: path });
    return found ?? (await findDataset(datasets, path, { hint: "Push rows with ?create=true to make it." }));
  }

  async function declare(path: DatasetRef["path"], principal: Principal): Promise<void> {
    const { resources } = rooms;
    const by = principal.user;
    await ensureProject(rooms, path.project, principal);
    await access.authorize(principal, "project.edit", { project: path.project });
    await orExists(
      resources.apply(
        { kind: "Dataset", project: path.project, name: path.dataset, spec: {} },
        { by, expectedGeneration: 0 },
      ),
    );
  }
}

function splitPath(path: string): { project: string | undefined; dataset: string | undefined } {
  const [project, dataset] = path.split(".");
  return { project, dataset };
}

/** `?format=`, else `?pattern=` for text, else Content-Type. */
function formatName(format: string | undefined, pattern: string | undefined, contentType: string | undefined): string {
  if (pattern !== undefined && (format === undefined || format === "text")) {
    return /^[a-z]+$/.test(pattern) ? pattern : `text:${pattern}`;
  }
  if (format !== undefined) return format;
  const type = contentType?.split(";")[0]?.trim().toLowerCase() ?? "";
  const byType = formatByType[type];
  if (byType !== undefined) return byType;
  throw new MillraceError(
    "unknown_format",
    `The format of the rows is not known from Content-Type "${type.slice(0, 100)}".`,
    {
      hint: "Say it, as in ?format=ndjson, or ?pattern=combined for lines of text.",
    },
  );
}

function encodingOf(header: string | undefined): Encoding {
  switch (header?.trim().toLowerCase() ?? "") {
    case "":
    case "identity":
      return "identity";
    case "gzip":
    case "x-gzip":
      return "gzip";
    case "zstd":
      return "zstd";
    default:
      throw new MillraceError("unknown_format", "The Content-Encoding is not one that can be read.", {
        hint: "Use gzip, zstd or none.",
      });
  }
}

/** A part that lies in the incoming folder: for clients on this machine, who can write there. */
function localBody(told: z.output<typeof headers>, address: string) {
  const file = told["millrace-part-file"];
  if (file === undefined) return null;
  if (told["millrace-source"] === undefined) {
    throw new MillraceError("bad_request", "Millrace-Part-File goes with Millrace-Source and Millrace-Position.");
  }
  if (!isLoopback(address)) throw new MillraceError("not_found", "Millrace-Part-File is for clients on this machine.");
  return { file, lines: told["millrace-part-lines"] };
}

function positionOf(told: z.output<typeof headers>) {
  const source = told["millrace-source"];
  const position = told["millrace-position"];
  if (source === undefined && position === undefined) return null;
  if (source === undefined || position === undefined) {
    throw new MillraceError("bad_request", "Millrace-Source and Millrace-Position go together.");
  }
  return { source, position, firstLine: told["millrace-first-line"] ?? 1 };
}
