import { z } from "zod";
import { MillraceError } from "../../base/index.ts";
import type { AnswerHeaders, Exchange } from "../edge/index.ts";
import type { Rooms, TransferObject, TransferPart } from "./contract.ts";
import { datasetParams, findDataset } from "./parts.ts";
import { type HttpRoute, streamRoute } from "./route.ts";

const one = "/odf/{project}/{dataset}";
const parts: Readonly<Record<TransferPart, { readonly type: string; readonly summary: string }>> = {
  blocks: { type: "application/octet-stream", summary: "A metadata block of the chain, by its hash" },
  data: { type: "application/vnd.apache.parquet", summary: "A data slice of the chain, by its physical hash" },
  checkpoints: { type: "application/octet-stream", summary: "A checkpoint of the chain, by its physical hash" },
  quarantine: { type: "application/vnd.apache.parquet", summary: "Quarantined rows of a commit, by their hash" },
};
const conditions = z.object({
  "if-none-match": z.string().optional(),
  range: z.string().optional().describe("One range of bytes, as in bytes=0-1023."),
  "if-range": z.string().optional(),
});
type Conditions = z.output<typeof conditions>;

const manifestType = "application/octet-stream";

/** What is named by its content never changes; who asks is checked each time, so that no shared cache may keep it. */
const immutable = "private, max-age=31536000, immutable";

/**
 * ODF's simple transfer protocol (RFC 007), read only: `refs/head`, then objects by their hashes. `quarantine/` is ours, beside
 * it: blocks of Millrace name such objects too.
 */
export function odfRoutes<Format>({ access, datasets }: Rooms<Format>): HttpRoute[] {
  const methods = ["GET", "HEAD"] as const;
  const heads = methods.map((method) =>
    streamRoute({
      method,
      path: `${one}/refs/head`,
      summary: "The hash of the newest block; all that it and those before it name is there",
      tag: "odf",
      params: datasetParams,
      headers: conditions.pick({ "if-none-match": true }),
      body: null,
      reply: { status: 200, schema: null, types: ["text/plain"] },
      async handle({ params, headers, principal, exchange, signal }) {
        await access.authorize(principal, "dataset.select", { dataset: params });
        const { id } = await findDataset(datasets, params);
        const { block } = await datasets.head(id, signal);
        if (block === "") throw new MillraceError("not_found", "The dataset has no block yet.");
        const answer = { "content-type": "text/plain; charset=utf-8", etag: `"${block}"`, "cache-control": "no-cache" };
        if (matches(headers["if-none-match"], block)) notModified(exchange, answer);
        else exchange.bytes(200, Buffer.from(block), answer);
      },
    }),
  );
  const objects = methods.flatMap((method) =>
    (["blocks", "data", "checkpoints", "quarantine"] as const).map((part) =>
      streamRoute({
        method,
        path: `${one}/${part}/{hash}`,
        summary: parts[part].summary,
        tag: "odf",
        params: datasetParams.extend({ hash: z.string().max(200) }),
        headers: conditions,
        body: null,
        reply: { status: 200, schema: null, types: [parts[part].type] },
        async handle({ params, headers, principal, exchange, signal }) {
          const { hash, ...path } = params;
          await access.authorize(principal, "dataset.select", { dataset: path });
          const { id } = await findDataset(datasets, path);
          const object = await datasets.transferObject(id, part, hash, signal);
          if (object === null) throw new MillraceError("not_found", "The dataset's chain names no such object.");
          const isBodyWanted = method === "GET";
          await answer(exchange, { object, name: hash, type: parts[part].type, headers, isBodyWanted }, signal);
        },
      }),
    ),
  );
  return [...heads, ...objects, ...standInRoutes({ access, datasets })];
}

/**
 * What stands for slices that are no longer kept as they were committed. Ours, beside ODF's protocol: who copies a dataset takes
 * it and proves from its rows the logical hashes that the blocks say.
 */
function standInRoutes<Format>({ access, datasets }: Pick<Rooms<Format>, "access" | "datasets">): HttpRoute[] {
  const methods = ["GET", "HEAD"] as const;
  const regions = methods.map((method) =>
    streamRoute({
      method,
      path: `${one}/regions/{block}`,
      summary: "Which compacted copies hold the rows of a block's region now, as a manifest",
      tag: "odf",
      params: datasetParams.extend({ block: z.string().max(200) }),
      body: null,
      reply: { status: 200, schema: null, types: [manifestType] },
      async handle({ params, principal, exchange, signal }) {
        const { block, ...path } = params;
        await access.authorize(principal, "dataset.select", { dataset: path });
        const { id } = await findDataset(datasets, path);
        const manifest = await datasets.transferRegion(id, block, signal);
        if (manifest === null)
          throw new MillraceError("not_found", "No compacted copy stands for slices of that block.");
        exchange.bytes(200, manifest, { "content-type": manifestType, "cache-control": "no-cache" });
      },
    }),
  );
  const copies = methods.map((method) =>
    streamRoute({
      method,
      path: `${one}/copies/{name}`,
      summary: "A compacted copy, by the name in its region's manifest, which ends with its hash",
      tag: "odf",
      params: datasetParams.extend({ name: z.string().max(200) }),
      headers: conditions,
      body: null,
      reply: { status: 200, schema: null, types: [parts.data.type] },
      async handle({ params, headers, principal, exchange, signal }) {
        const { name, ...path } = params;
        await access.authorize(principal, "dataset.select", { dataset: path });
        const { id } = await findDataset(datasets, path);
        const object = await datasets.transferCopy(id, name, signal);
        if (object === null) throw new MillraceError("not_found", "That is no name of a compacted copy.");
        const isBodyWanted = method === "GET";
        await answer(exchange, { object, name, type: parts.data.type, headers, isBodyWanted }, signal);
      },
    }),
  );
  return [...regions, ...copies];
}

/** An object that its name stands for: conditions and one range, as HTTP says. */
async function answer(
  exchange: Exchange,
  asked: {
    readonly object: TransferObject;
    readonly name: string;
    readonly type: string;
    readonly headers: Conditions;
    readonly isBodyWanted: boolean;
  },
  signal: AbortSignal,
): Promise<void> {
  const { object, name, type, headers, isBodyWanted } = asked;
  const kept = { "content-type": type, etag: `"${name}"`, "cache-control": immutable };
  if (matches(headers["if-none-match"], name)) return notModified(exchange, kept);
  const range = rangeOf(headers, name, object.sizeBytes);
  if (range === "unsatisfiable") {
    const whole = { "content-range": `bytes */${object.sizeBytes}` };
    return exchange.bytes(416, new Uint8Array(0), whole);
  }
  const { start, end } = range ?? { start: 0, end: object.sizeBytes };
  exchange.begin(range === null ? 200 : 206, {
    ...kept,
    "accept-ranges": "bytes",
    "content-length": String(end - start),
    ...(range === null ? {} : { "content-range": `bytes ${start}-${end - 1}/${object.sizeBytes}` }),
  });
  if (isBodyWanted) await send(exchange, object.chunks(start, end, signal), end - start);
  exchange.end();
}

function notModified(exchange: Exchange, headers: AnswerHeaders): void {
  exchange.begin(304, headers);
  exchange.end();
}

/** The client waits for as many bytes as were promised: where they do not come, the connection breaks. */
async function send(exchange: Exchange, chunks: AsyncIterable<Uint8Array>, promisedBytes: number): Promise<void> {
  let sentBytes = 0;
  for await (const chunk of chunks) {
    sentBytes += chunk.byteLength;
    await exchange.write(chunk);
  }
  if (sentBytes !== promisedBytes) throw new Error(`an object of ${promisedBytes} bytes gave ${sentBytes}`);
}

/** RFC 9110 section 13.1.2: a list of tags, compared weakly, or `*`. */
function matches(header: string | undefined, hash: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === `"${hash}"`);
}

/**
 * RFC 9110 section 14.2, one range only: what is no single range of bytes is passed over, and the whole is sent.
 * `end` is exclusive.
 */
function rangeOf(
  { range, "if-range": ifRange }: Conditions,
  hash: string,
  sizeBytes: number,
): { readonly start: number; readonly end: number } | "unsatisfiable" | null {
  if (range === undefined || (ifRange !== undefined && ifRange.trim() !== `"${hash}"`)) return null;
  const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range.trim()) ?? [];
  if (first === undefined || last === undefined || (first === "" && last === "")) return null;
  if (first === "") {
    const start = Math.max(0, sizeBytes - Number(last));
    return Number(last) === 0 ? "unsatisfiable" : { start, end: sizeBytes };
  }
  const start = Number(first);
  if (last !== "" && Number(last) < start) return null;
  if (start >= sizeBytes) return "unsatisfiable";
  return { start, end: last === "" ? sizeBytes : Math.min(sizeBytes, Number(last) + 1) };
}
