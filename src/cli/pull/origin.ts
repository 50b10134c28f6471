import http from "node:http";
import https from "node:https";
import { z } from "zod";
import { MillraceError } from "../../base/index.ts";

/** A dataset on another platform, spoken to by ODF's simple transfer protocol. Nothing that it answers is believed here. */
export interface OriginOptions {
  readonly url: URL;
  readonly token: string | null;
  readonly limits: OriginLimits;
}

export interface OriginLimits {
  /** Longest silence of the origin. */
  readonly idleMs: number;
  /** Time for a head or a block, whole. */
  readonly smallMs: number;
  /** Least average rate of an object's bytes while we wait for them, once `graceMs` of waiting have passed. */
  readonly minBytesPerS: number;
  readonly graceMs: number;
}

export const usualLimits: OriginLimits = { idleMs: 30_000, smallMs: 60_000, minBytesPerS: 1_024, graceMs: 30_000 };

const headBytes = 1_024;
const blockBytes = 4 << 20;
const manifestBytes = 16 << 20;
const goneBytes = 16_384;
const goneShape = z.object({ error: z.object({ data: z.object({ expiredBefore: z.int().min(0) }) }) });

export type ObjectPart = "blocks" | "data" | "checkpoints" | "quarantine";

export class Origin implements Disposable {
  readonly #options: OriginOptions;
  readonly #agent: http.Agent;

  constructor(options: OriginOptions) {
    this.#options = options;
    this.#agent =
      options.url.protocol === "https:" ? new https.Agent({ keepAlive: true }) : new http.Agent({ keepAlive: true });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  /** The hash of the newest block. */
  async head(signal: AbortSignal): Promise<string> {
    return (await this.#small("refs/head", headBytes, signal)).toString("utf8").trim();
  }

  block(hash: string, signal: AbortSignal): Promise<Uint8Array> {
    return this.#small(`blocks/${hash}`, blockBytes, signal);
  }

  /** Which copies hold the rows of a block's region now; null where the origin has none for it. */
  async region(block: string, signal: AbortSignal): Promise<Uint8Array | null> {
    try {
      return await this.#small(`regions/${block}`, manifestBytes, signal);
    } catch (error) {
      if (error instanceof MillraceError && error.code === "not_found") return null;
      throw error;
    }
  }

  /** The bytes of an object as they come: as many as asked for, or an error. */
  object(part: ObjectPart, hash: string, sizeBytes: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#bytes(`${part}/${hash}`, sizeBytes, signal);
  }

  /** Those of a compacted copy, likewise. */
  copy(name: string, sizeBytes: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#bytes(`copies/${name}`, sizeBytes, signal);
  }

  async *#bytes(name: string, sizeBytes: number, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const { minBytesPerS, graceMs } = this.#options.limits;
    const reply = await this.#get(name, signal);
    checkLength(reply, name, sizeBytes);
    let received = 0;
    let waitedMs = 0;
    try {
      for (const chunks = reply[Symbol.asyncIterator](); ; ) {
        const startedMs = performance.now();
        const next: IteratorResult<Uint8Array> = await chunks.next();
        if (next.done === true) break;
        waitedMs += performance.now() - startedMs;
        received += next.value.byteLength;
        if (received > sizeBytes) throw tooLong(name, sizeBytes);
        if (waitedMs > graceMs && (received * 1_000) / waitedMs < minBytesPerS) throw tooSlow(name);
        yield next.value;
      }
    } catch (error) {
      throw asUnavailable(error, this.#options.url, signal);
    } finally {
      reply.destroy();
    }
    if (received < sizeBytes) throw unavailable(`The origin ended ${name} after ${received} of ${sizeBytes} bytes.`);
  }

  async #small(name: string, mostBytes: number, signal: AbortSignal): Promise<Buffer> {
    const late = AbortSignal.timeout(this.#options.limits.smallMs);
    const reply = await this.#get(name, AbortSignal.any([signal, late]));
    const chunks: Uint8Array[] = [];
    let received = 0;
    try {
      for await (const chunk of reply) {
        received += chunk.byteLength;
        if (received > mostBytes) throw tooLong(name, mostBytes);
        chunks.push(chunk);
      }
    } catch (error) {
      throw asUnavailable(error, this.#options.url, signal);
    } finally {
      reply.destroy();
    }
    return Buffer.concat(chunks);
  }

  async #get(name: string, signal: AbortSignal): Promise<http.IncomingMessage> {
    const { url, token, limits } = this.#options;
    const target = new URL(`${url.pathname.replace(/\/$/, "")}/${name}`, url);
    const headers = {
      "accept-encoding": "identity",
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    };
    const start = target.protocol === "https:" ? https.request : http.request;
    const reply = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const outgoing = start(target, { headers, agent: this.#agent, signal, timeout: limits.idleMs });
      outgoing.on("timeout", () => outgoing.destroy(tooSlow(name)));
      outgoing.on("response", resolve);
      outgoing.on("error", (error) => reject(asUnavailable(error, url, signal)));
      outgoing.end();
    });
    const failure = await failureOf(reply, name, url);
    if (failure === null) return reply;
    reply.destroy();
    throw failure;
  }
}

/** Why an answer is not the object, or null. */
async function failureOf(reply: http.IncomingMessage, name: string, url: URL): Promise<MillraceError | null> {
  const status = reply.statusCode ?? 0;
  if (status === 200) {
    const encoding = reply.headers["content-encoding"] ?? "identity";
    return encoding === "identity" ? null : wrong(`The origin sends ${name} encoded, which was not asked for.`);
  }
  if (status >= 300 && status < 400) {
    return new MillraceError("forbidden", `The origin sends us elsewhere for ${name}, and is not followed.`, {
      hint: `If you trust that address, pull from it: ${String(reply.headers.location ?? "it named none").slice(0, 300)}`,
    });
  }
  switch (status) {
    case 401:
    case 403:
      return new MillraceError(
        status === 401 ? "unauthenticated" : "forbidden",
        `The origin ${url.origin} refuses us.`,
        {
          hint: "Name a token of the origin: MILLRACE_ORIGIN_TOKEN, or --origin-token-file.",
        },
      );
    case 404:
      return new MillraceError("not_found", `The origin has no ${name}.`, {
        hint: "Is it the address of a dataset, as in https://HOST/odf/PROJECT/DATASET?",
      });
    case 410:
      return new MillraceError(
        "data_expired",
        `The origin no longer keeps ${name}, so that it cannot be copied as it was.`,
        {
          hint: "Its small slices were superseded by compacted copies, or dropped by retention. Pull sooner, or raise keepingTimeMs there.",
          data: { expiredBefore: await expiredBefore(reply) },
        },
      );
    default:
      return status >= 500 || status === 408 || status === 429
        ? unavailable(`The origin answered ${status} for ${name}.`)
        : wrong(`The origin answered ${status} for ${name}.`);
  }
}

/** Where the rows begin that have not expired, as a Millrace says it; 0 where another origin does not. */
async function expiredBefore(reply: http.IncomingMessage): Promise<number> {
  const chunks: Uint8Array[] = [];
  let received = 0;
  try {
    for await (const chunk of reply) {
      received += chunk.byteLength;
      if (received > goneBytes) return 0;
      chunks.push(chunk);
    }
    return goneShape.parse(JSON.parse(Buffer.concat(chunks).toString("utf8"))).error.data.expiredBefore;
  } catch {
    return 0;
  }
}

function checkLength(reply: http.IncomingMessage, name: string, sizeBytes: number): void {
  const said = reply.headers["content-length"];
  if (said === undefined || Number(said) === sizeBytes) return;
  reply.destroy();
  throw wrong(`The origin has ${said} bytes of ${name}, and its block says ${sizeBytes}.`);
}

function wrong(message: string): MillraceError {
  return new MillraceError("replica_refused", message, { hint: "Nothing of it is visible here." });
}

function tooLong(name: string, sizeBytes: number): MillraceError {
  return wrong(`The origin sends more than ${sizeBytes} bytes of ${name}.`);
}

function tooSlow(name: string): MillraceError {
  return unavailable(`The origin sends ${name} too slowly.`);
}

/** Worth another try. */
function unavailable(message: string, cause?: unknown): MillraceError {
  const hint = "Run the same command again: it goes on where it stopped.";
  return new MillraceError("unavailable", message, { hint, ...(cause === undefined ? {} : { cause }) });
}

function asUnavailable(error: unknown, url: URL, signal: AbortSignal): unknown {
  if (error instanceof MillraceError || signal.aborted) return error;
  const said = error instanceof Error ? error.message : String(error);
  return unavailable(`The origin ${url.origin} does not answer: ${said}.`, error);
}
