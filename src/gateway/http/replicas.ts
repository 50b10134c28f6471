import { z } from "zod";
import { MillraceError } from "../../base/index.ts";
import type { Principal } from "./access-contract.ts";
import type { DatasetRef, Rooms } from "./contract.ts";
import { datasetParams, findDataset } from "./parts.ts";
import { ensureProject } from "./project.ts";
import { type HttpRoute, jsonRoute, streamRoute } from "./route.ts";

const tag = "replicas";
const one = "/api/v1/projects/{project}/datasets/{dataset}/replica";
const blockBytes = 4 << 20;
const blocksBytes = 16 << 20;
const mostBlocks = 1_000;
const hash = z.string().max(200);
const part = z.enum(["blocks", "data", "checkpoints", "quarantine"]);
const bytes = { schema: z.unknown(), types: ["application/octet-stream"] };

const regionIndex = z.coerce.number().pipe(z.int().min(0));
const offeredView = z.object({
  level: z.int(),
  index: z.int(),
  missing: z.array(z.object({ hash, name: z.string(), sizeBytes: z.int() })).describe("Files that are to be put."),
});

const replicaView = z
  .object({
    datasetId: z.string(),
    origin: z.string(),
    seq: z.int().describe("Of the newest block that is committed here."),
    head: z.string().describe("Its hash."),
  })
  .meta({ id: "Replica" });

/**
 * Copies of datasets elsewhere. The server fetches nothing itself: whoever has the copy's `admin` right puts blocks and objects
 * here, and the server believes what proves itself.
 */
export function replicaRoutes<Format>(rooms: Rooms<Format>): HttpRoute[] {
  const { access, datasets, replicas } = rooms;
  const view = async ({ id }: DatasetRef, signal: AbortSignal) => {
    const origin = await replicas.origin(id);
    if (origin === null)
      throw new MillraceError("conflict", "The dataset is no copy of another one: it takes rows.", {
        hint: "Choose another name for the copy with --as.",
      });
    const { seq, block } = await datasets.head(id, signal);
    return { datasetId: id, origin, seq, head: block };
  };
  const administrate = (dataset: DatasetRef["path"], principal: Principal) =>
    access.authorize(principal, "dataset.admin", { dataset });

  return [
    jsonRoute({
      method: "GET",
      path: one,
      summary: "Where a copy comes from, and how far it is",
      tag,
      params: datasetParams,
      reply: replicaView,
      async handle({ params, principal, signal }) {
        await access.authorize(principal, "dataset.select", { dataset: params });
        return await view(await findDataset(datasets, params), signal);
      },
    }),
    jsonRoute({
      method: "PUT",
      path: one,
      summary: "Begins a read-only copy of a dataset elsewhere with its first block, which was put here before",
      tag,
      params: datasetParams,
      body: z.strictObject({
        origin: z.url().max(2_000).describe("Address of the dataset that is copied."),
        seed: hash.describe("Its first block."),
      }),
      reply: replicaView,
      async handle({ params, body, principal, signal }) {
        await ensureProject(rooms, params.project, principal);
        await access.authorize(principal, "project.edit", { project: params.project });
        await administrate(params, principal);
        return await view(await replicas.begin(params, body.origin, body.seed, principal.user), signal);
      },
    }),
    jsonRoute({
      method: "POST",
      path: `${one}/walk`,
      summary: "The way back from a block over those that were put here, up to what is committed or missing",
      tag,
      params: datasetParams,
      body: z.strictObject({ from: hash }),
      reply: z.object({
        blocks: z.array(z.object({ hash, seq: z.int() })),
        missing: hash.nullable().describe("The next one to go on from; null where the committed head was met."),
      }),
      async handle({ params, body, principal, signal }) {
        await administrate(params, principal);
        const id = (await datasets.find(params))?.id ?? null;
        const { blocks, missing } = await replicas.walk(params, id, body.from, signal);
        return { blocks: [...blocks], missing };
      },
    }),
    streamRoute({
      method: "POST",
      path: `${one}/blocks`,
      summary: "Puts blocks that wait for their commit; each as its length (32 bits, little endian) and its bytes",
      tag,
      params: datasetParams,
      body: bytes,
      reply: { status: 204, schema: null, types: [] },
      async handle({ params, principal, exchange }) {
        await administrate(params, principal);
        await replicas.putBlocks(params, framed(await exchange.whole(blocksBytes)));
        exchange.bytes(204, new Uint8Array(0), {});
      },
    }),
    streamRoute({
      method: "PUT",
      path: `${one}/objects/{part}/{hash}`,
      summary: "Puts an object that a block names",
      tag,
      params: datasetParams.extend({ part, hash }),
      query: z.strictObject({ block: hash.describe("The block that names it.") }),
      body: bytes,
      reply: { status: 204, schema: null, types: [] },
      async handle({ params, query, principal, exchange }) {
        const { part: kind, hash: name, ...path } = params;
        await administrate(path, principal);
        const copy = await findDataset(datasets, path);
        await replicas.putObject(copy, { block: query.block, part: kind, hash: name }, exchange.body());
        exchange.bytes(204, new Uint8Array(0), {});
      },
    }),
    streamRoute({
      method: "POST",
      path: `${one}/regions`,
      summary:
        "Offers what stands for slices that the origin has superseded: taken when its files are here and prove them",
      tag,
      params: datasetParams,
      body: bytes,
      reply: { status: 200, schema: offeredView, types: ["application/json"] },
      async handle({ params, principal, exchange, signal }) {
        await administrate(params, principal);
        const copy = await findDataset(datasets, params);
        exchange.json(200, await replicas.offerRegion(copy, await exchange.whole(blocksBytes), signal));
      },
    }),
    streamRoute({
      method: "PUT",
      path: `${one}/regions/{level}/{index}/{hash}`,
      summary: "Puts a file of a region that was offered",
      tag,
      params: datasetParams.extend({ level: z.coerce.number().pipe(z.int().min(1)), index: regionIndex, hash }),
      body: bytes,
      reply: { status: 204, schema: null, types: [] },
      async handle({ params, principal, exchange }) {
        const { level, index, hash: name, ...path } = params;
        await administrate(path, principal);
        await replicas.putCopy(await findDataset(datasets, path), { level, index, hash: name }, exchange.body());
        exchange.bytes(204, new Uint8Array(0), {});
      },
    }),
    jsonRoute({
      method: "POST",
      path: `${one}/expire`,
      summary: "Lets rows expire that have expired at the origin, so that what follows them can be copied",
      tag,
      params: datasetParams,
      body: z.strictObject({
        before: z.int().min(0).describe("Rows below this offset."),
        drop: z.boolean().default(false).describe("Also rows that are here."),
      }),
      reply: z.void(),
      async handle({ params, body, principal, signal }) {
        await administrate(params, principal);
        await replicas.expire(await findDataset(datasets, params), body.before, body.drop, signal);
      },
    }),
    jsonRoute({
      method: "POST",
      path: `${one}/advance`,
      summary: "Commits blocks that were put, in this order, as far as what they name is here",
      tag,
      params: datasetParams,
      body: z.strictObject({ blocks: z.array(hash).max(256) }),
      reply: z.object({
        seq: z.int(),
        head: z.string().nullable(),
        missing: z.array(z.object({ block: hash, part, hash, sizeBytes: z.int(), lastOffset: z.int().nullable() })),
      }),
      async handle({ params, body, principal, signal }) {
        await administrate(params, principal);
        const copy = await findDataset(datasets, params);
        const { seq, head, missing } = await replicas.advance(copy, body.blocks, signal);
        return { seq, head, missing: [...missing] };
      },
    }),
    jsonRoute({
      method: "DELETE",
      path: `${one}/blocks`,
      summary: "Drops the blocks that wait: what is committed stays",
      tag,
      params: datasetParams,
      reply: z.void(),
      async handle({ params, principal, signal }) {
        await administrate(params, principal);
        await replicas.clear(params, signal);
      },
    }),
  ];
}

/** @throws bad_request, too_large */
function framed(body: Uint8Array): Uint8Array[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    if (blocks.length === mostBlocks)
      throw new MillraceError("too_large", `More than ${mostBlocks} blocks came at once.`);
    const length = at + 4 <= body.length ? view.getUint32(at, true) : 0;
    if (length === 0 || length > blockBytes || at + 4 + length > body.length)
      throw new MillraceError("bad_request", `The blocks cannot be told apart at byte ${at}.`);
    blocks.push(body.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return blocks;
}
