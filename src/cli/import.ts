import os from "node:os";
import { z } from "zod";
import { type DatasetPath, MillraceError } from "../base/index.ts";
import { headBytesOf, type Part, partFormat, splitRecords } from "../ingest/index.ts";
import { type Client, readAll } from "./client.ts";
import type { ImportFile } from "./import-file.ts";
import { findIncoming, type Incoming } from "./incoming.ts";
import type { Progress } from "./progress.ts";

/** Parts under way at once: while some are converted the next one travels. Each takes 64 MiB of memory. */
const partsAtOnce = Math.max(3, Math.min(6, os.availableParallelism()));
const attempts = 8;

export interface Import {
  readonly path: DatasetPath;
  readonly file: ImportFile;
  readonly eventTime: string | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export interface ImportOutcome {
  readonly format: string;
  readonly rows: number;
  /** Rows that an earlier run had committed. */
  readonly duplicateRows: number;
  readonly quarantined: number;
  readonly reasons: readonly Reason[];
  readonly bytes: number;
  readonly seconds: number;
}

const reason = z.object({ reason: z.string(), count: z.number(), firstLine: z.number().nullable() });
type Reason = z.infer<typeof reason>;
const receipt = z.object({
  rows: z.number().nullable(),
  quarantined: z.number().nullable(),
  duplicate: z.boolean(),
  reasons: z.array(reason).nullish(),
});
type Receipt = z.infer<typeof receipt>;

/**
 * Sends a file in parts cut between records, each under its position, so that the server commits them in order and knows
 * those that it has. @throws the server's error; what was committed stays, and the next run goes on behind it.
 */
export async function importFile(client: Client, job: Import): Promise<ImportOutcome> {
  const startedMs = performance.now();
  const receipts: Receipt[] = [];
  const underWay = new Set<Promise<void>>();
  let failure: { error: unknown } | null = null;
  let position = 0;
  const incoming = await findIncoming(client);
  const parts = splitRecords(
    job.file.content((bytes) => job.progress.addBytes(bytes)),
    job.file.format,
  );
  for await (const part of parts) {
    if (failure !== null) break;
    const at = ++position;
    const sending = sendPart({ client, job, incoming, position: at, part })
      .then((answer) => {
        receipts.push(answer);
        job.progress.addRows(answer.rows ?? 0);
      })
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => {
        job.file.release(part.bytes);
        underWay.delete(sending);
      });
    underWay.add(sending);
    if (underWay.size >= partsAtOnce) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  if (failure !== null) throw interrupted((failure as { error: unknown }).error);
  return outcome(job, receipts, (performance.now() - startedMs) / 1000);
}

interface Sending {
  readonly client: Client;
  readonly job: Import;
  readonly incoming: Incoming | null;
  readonly position: number;
  readonly part: Part;
}

async function sendPart({ client, job, incoming, position, part }: Sending): Promise<Receipt> {
  const { path, file, eventTime, signal } = job;
  for (let attempt = 1; ; attempt++) {
    const put = (await incoming?.put(part, headBytesOf(partFormat(file.format)))) ?? null;
    try {
      const reply = await client.send({
        method: "POST",
        path: `/api/v1/projects/${path.project}/datasets/${path.dataset}/rows`,
        query: { create: "true", ack: "committed", eventTime, ...formatQuery(file) },
        headers: {
          "content-type": "application/octet-stream",
          "content-length": String(put === null ? part.bytes.reduce((sum, chunk) => sum + chunk.length, 0) : 0),
          "millrace-source": `import:${file.fingerprint}`,
          "millrace-position": String(position),
          "millrace-first-line": String(part.firstLine),
          ...(put === null ? {} : { "millrace-part-file": put, "millrace-part-lines": String(part.lines) }),
        },
        body: put === null ? each(part.bytes) : new Uint8Array(),
        signal,
      });
      return receipt.parse(JSON.parse((await readAll(reply)).toString("utf8")));
    } catch (error) {
      if (put !== null && (await incoming?.refused(put, error))) continue;
      const waitS = error instanceof MillraceError ? retryAfterS(error, attempt) : null;
      if (waitS === null || attempt === attempts) throw error;
      await new Promise((resolve) => setTimeout(resolve, waitS * 1000));
      signal.throwIfAborted();
    }
  }
}

/** The error, with what to do about a server that went away: nothing that was committed is lost. */
function interrupted(error: unknown): unknown {
  if (!(error instanceof MillraceError) || error.code !== "unavailable") return error;
  return new MillraceError("unavailable", error.message, {
    hint: "Run the same command again: it goes on where it stopped, and no row comes twice.",
    cause: error,
  });
}

/** Seconds to wait before the part is sent again, or null where that would not help. A repeated part is harmless. */
function retryAfterS(error: MillraceError, attempt: number): number | null {
  const passing = error.code === "too_many_requests" || error.code === "worker_lost" || error.code === "shutting_down";
  return passing ? (error.retryAfterS ?? Math.min(5, 0.2 * 2 ** attempt)) : null;
}

function formatQuery(file: ImportFile): Record<string, string | undefined> {
  const format = partFormat(file.format);
  if (format.kind === "csv") {
    const delimiter = format.delimiter === undefined ? "" : `;delimiter=${format.delimiter}`;
    const header = format.header === undefined ? "" : `;header=${format.header}`;
    return { format: `csv${delimiter}${header}` };
  }
  return format.kind === "text" ? { format: "text", pattern: format.pattern } : { format: format.kind };
}

async function* each(chunks: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* chunks;
}

function outcome({ file }: Import, receipts: readonly Receipt[], seconds: number): ImportOutcome {
  const sum = (of: (one: Receipt) => number | null) => receipts.reduce((total, one) => total + (of(one) ?? 0), 0);
  const reasons = new Map<string, Reason>();
  for (const one of receipts.flatMap((answer) => answer.reasons ?? [])) {
    const known = reasons.get(one.reason);
    const firstLine = Math.min(known?.firstLine ?? Number.POSITIVE_INFINITY, one.firstLine ?? Number.POSITIVE_INFINITY);
    const count = (known?.count ?? 0) + one.count;
    reasons.set(one.reason, { reason: one.reason, count, firstLine: Number.isFinite(firstLine) ? firstLine : null });
  }
  return {
    format: file.format.kind === "text" ? file.format.pattern : file.format.kind,
    rows: sum((one) => (one.duplicate ? 0 : one.rows)),
    duplicateRows: sum((one) => (one.duplicate ? one.rows : 0)),
    quarantined: sum((one) => (one.duplicate ? 0 : one.quarantined)),
    reasons: [...reasons.values()].sort((a, b) => b.count - a.count),
    bytes: file.sizeBytes,
    seconds,
  };
}
