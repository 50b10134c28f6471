import { z } from "zod";
import { asMillraceError, formatDatasetPath, formatInstant } from "../../base/index.ts";
import { schemaFailure } from "../edge/index.ts";
import type { DatasetRef, Rooms, TransformState } from "./contract.ts";
import { count, datasetParams, findDataset, ifMatch, project, timeOrNull } from "./parts.ts";
import { type HttpRoute, jsonRoute, parseJson, streamRoute } from "./route.ts";
import {
  blockView,
  datasetView,
  oneDatasetView,
  quarantineView,
  retryView,
  sliceView,
  taskView,
  verifyReport,
} from "./views.ts";

const tag = "datasets";
const one = "/api/v1/projects/{project}/datasets/{dataset}";
/** Of a page of a list, looked at together. */
const atOnce = 16;
const verifyBody = z.strictObject({ level: z.enum(["chain", "physical", "logical", "rebuild"]).default("logical") });

export function datasetRoutes<Format>({ access, datasets, ingest, replicas, resources }: Rooms<Format>): HttpRoute[] {
  const view = async (ref: DatasetRef, signal: AbortSignal): Promise<z.infer<typeof datasetView>> => {
    const head = await datasets.head(ref.id, signal);
    return {
      datasetId: ref.id,
      ...ref.path,
      seq: head.seq,
      head: head.block,
      rows: head.rows,
      bytes: head.bytes,
      slices: head.slices,
      nextOffset: head.nextOffset,
      schema: head.schema?.fields.map(({ name, type }) => ({ name, type })) ?? null,
      watermark: timeOrNull(head.watermark),
      lastCommitAt: timeOrNull(head.lastCommitAt),
    };
  };
  /** Nothing where it was deleted meanwhile. */
  const listed = async (ref: DatasetRef, signal: AbortSignal) => {
    try {
      return [await view(ref, signal)];
    } catch (error) {
      if (asMillraceError(error).code === "dataset_not_found") return [];
      throw error;
    }
  };
  const listQuery = z.strictObject({ after: z.string().optional(), limit: count(1_000, 100) });
  const page = z.object({ datasets: z.array(datasetView), next: z.string().nullable() });

  const list = (path: string, summary: string, params: z.ZodObject) =>
    jsonRoute({
      method: "GET",
      path,
      summary,
      tag,
      params,
      query: listQuery,
      reply: page,
      async handle({ params: given, query, principal, signal }) {
        const scope = projectScope.parse(given).project ?? null;
        if (scope !== null) await access.authorize(principal, "project.view", { project: scope });
        const found = await datasets.list(scope, { after: query.after ?? null, limit: query.limit });
        const readable: DatasetRef[] = [];
        for (const ref of found)
          if (await access.allows(principal, "dataset.select", { dataset: ref.path })) readable.push(ref);
        const shown: z.infer<typeof datasetView>[] = [];
        for (let at = 0; at < readable.length; at += atOnce)
          shown.push(...(await Promise.all(readable.slice(at, at + atOnce).map((ref) => listed(ref, signal)))).flat());
        const last = found.length < query.limit ? undefined : found.at(-1);
        return { datasets: shown, next: last === undefined ? null : formatDatasetPath(last.path) };
      },
    });
  const projectScope = z.object({
    project: z.custom<z.output<typeof project>>((name) => typeof name === "string").optional(),
  });

  return [
    list("/api/v1/datasets", "Datasets that you may read, by path", z.object({})),
    list(
      "/api/v1/projects/{project}/datasets",
      "Datasets of a project that you may read, by name",
      z.object({ project }),
    ),
    jsonRoute({
      method: "GET",
      path: one,
      summary: "A dataset's head, size, schema, watermark, and what it is a copy of",
      tag,
      params: datasetParams,
      reply: oneDatasetView,
      async handle({ params, principal, signal }) {
        await access.authorize(principal, "dataset.select", { dataset: params });
        const ref = await findDataset(datasets, params);
        const transform = transformView(datasets.transform(ref.id));
        return { ...(await view(ref, signal)), origin: await replicas.origin(ref.id), transform };
      },
    }),
    jsonRoute({
      method: "DELETE",
      path: one,
      summary: "Deletes a dataset",
      tag,
      params: datasetParams,
      headers: ifMatch,
      reply: z.void(),
      async handle({ params, headers, principal }) {
        await access.authorize(principal, "dataset.admin", { dataset: params });
        const { path } = await findDataset(datasets, params);
        const expected = headers["if-match"];
        await resources.delete(
          { kind: "Dataset", project: path.project, name: path.dataset },
          { by: principal.user, ...(expected === undefined ? {} : { expectedGeneration: expected }) },
        );
      },
    }),
    jsonRoute({
      method: "GET",
      path: `${one}/blocks`,
      summary: "Blocks of the chain, newest first",
      tag,
      params: datasetParams,
      query: z.strictObject({
        before: z.coerce.number().int().min(0).optional().describe("`next` of the page before."),
        limit: count(1_000, 100),
      }),
      reply: z.object({ datasetId: z.string(), blocks: z.array(blockView), next: z.int().nullable() }),
      async handle({ params, query, principal, signal }) {
        await access.authorize(principal, "dataset.select", { dataset: params });
        const { id } = await findDataset(datasets, params);
        const blocks = await datasets.blocks(id, { before: query.before ?? null, limit: query.limit }, signal);
        const last = blocks.at(-1);
        return { datasetId: id, blocks: [...blocks], next: last === undefined || last.seq === 0 ? null : last.seq };
      },
    }),
    jsonRoute({
      method: "GET",
      path: `${one}/slices`,
      summary: "Slices at the head, by offset",
      tag,
      params: datasetParams,
      reply: z.object({ datasetId: z.string(), slices: z.array(sliceView) }),
      async handle({ params, principal, signal }) {
        await access.authorize(principal, "dataset.select", { dataset: params });
        const { id } = await findDataset(datasets, params);
        const slices = (await datasets.slices(id, signal)).map((slice) => ({
          hash: slice.hash,
          firstOffset: slice.firstOffset,
          lastOffset: slice.lastOffset,
          rows: slice.lastOffset - slice.firstOffset + 1,
          sizeBytes: slice.sizeBytes,
          seq: slice.seq,
          systemTime: formatInstant(slice.systemTime),
        }));
        return { datasetId: id, slices };
      },
    }),
    jsonRoute({
      method: "GET",
      path: `${one}/quarantine`,
      summary: "Why rows were quarantined, most frequent first; the rows are in PROJECT.DATASET__quarantine",
      tag,
      params: datasetParams,
      query: z.strictObject({ limit: count(1_000, 100) }),
      reply: z.object({ datasetId: z.string(), reasons: z.array(quarantineView) }),
      async handle({ params, query, principal, signal }) {
        await access.authorize(principal, "dataset.select", { dataset: params });
        const { id } = await findDataset(datasets, params);
        return { datasetId: id, reasons: [...(await datasets.quarantine(id, query.limit, signal))].map(quarantined) };
      },
    }),
    jsonRoute({
      method: "POST",
      path: `${one}/quarantine/retry`,
      summary: "Sends quarantined rows again, as they came, after a fix; repeating it adds nothing",
      tag,
      params: datasetParams,
      body: z.strictObject({ reason: z.string().max(10_000).optional().describe("Only rows with this reason.") }),
      reply: retryView,
      async handle({ params, body, principal, exchange, signal }) {
        await access.authorize(principal, "dataset.insert", { dataset: params });
        await access.authorize(principal, "dataset.select", { dataset: params });
        const dataset = await findDataset(datasets, params);
        const by = principal.user;
        const { traceId } = exchange;
        return await ingest.retryQuarantine({ dataset, reason: body.reason ?? null, by, traceId }, signal);
      },
    }),
    streamRoute({
      method: "POST",
      path: `${one}/verify`,
      summary: "Verifies a dataset: lines of {progress}, then one {report}",
      tag,
      params: datasetParams,
      body: { schema: verifyBody, types: ["application/json"] },
      reply: { status: 200, schema: z.object({ report: verifyReport }), types: ["application/x-ndjson"] },
      async handle({ params, principal, exchange, signal }) {
        const body = verifyBody.safeParse(parseJson(await exchange.text(10_000)));
        if (!body.success) throw schemaFailure(body.error, "body");
        await access.authorize(principal, "dataset.select", { dataset: params });
        const ref = await findDataset(datasets, params);
        exchange.begin(200, { "content-type": "application/x-ndjson" });
        const say = (line: unknown) => exchange.write(`${JSON.stringify(line)}\n`);
        // Only the newest progress waits for a slow client: what it missed is stale.
        let latest: { done: number; total: number | null } | null = null;
        let writing: Promise<void> = Promise.resolve();
        const progress = (done: number, total: number | null) => {
          const isIdle = latest === null;
          latest = { done, total };
          if (!isIdle) return;
          writing = writing.then(async () => {
            const told = latest;
            latest = null;
            if (told !== null) await say({ progress: told });
          });
          writing.catch(() => {}); // a client that is gone aborts the signal, which ends the work
        };
        try {
          const report = await datasets.verify(ref, { level: body.data.level, signal, progress });
          await writing;
          await say({ report });
        } catch (error) {
          if (signal.aborted) throw error;
          const { code, message } = asMillraceError(error);
          exchange.log.error("a verification failed", { traceId: exchange.traceId, error });
          await say({ error: { code, message, traceId: exchange.traceId } });
        }
        exchange.end();
      },
    }),
    ...(["compact", "collect"] as const).map((work) =>
      jsonRoute({
        method: "POST",
        path: `${one}/${work}`,
        summary: maintenance[work],
        tag,
        params: datasetParams,
        status: 202,
        reply: taskView,
        async handle({ params, principal }) {
          await access.authorize(principal, "dataset.admin", { dataset: params });
          return await datasets.maintain(await findDataset(datasets, params), work);
        },
      }),
    ),
  ];
}

const maintenance = {
  compact: "Compacts now what is due, supersedes, lets expire; answers the task",
  collect: "Deletes now what lost commits have left; answers the task",
} as const;

type Reason = Awaited<ReturnType<Rooms<unknown>["datasets"]["quarantine"]>>[number];
function quarantined(reason: Reason): z.infer<typeof quarantineView> {
  return { ...reason, lastReceivedAt: timeOrNull(reason.lastReceivedAt) };
}

function transformView(state: TransformState | null): z.infer<typeof oneDatasetView>["transform"] {
  if (state === null) return null;
  const { sql, mode, why, failures, error, nextTryAt, awaited } = state;
  const inputs = state.inputs.map(({ project, dataset }) => ({ project, dataset }));
  return {
    sql,
    mode,
    why,
    key: [...state.key],
    inputs,
    state: state.state,
    failures,
    error,
    nextTryAt: timeOrNull(nextTryAt),
    awaited: awaited === null ? null : { ...awaited.dataset, watermark: timeOrNull(awaited.watermark) },
    emit: state.emit,
    watermark: timeOrNull(state.watermark),
    rowsLate: state.rowsLate,
    groups: state.groups,
  };
}
