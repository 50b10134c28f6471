import { readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import path from "node:path";
import { z } from "zod";
import { type ErrorCode, errorCodes, MillraceError, ownCommand } from "../base/index.ts";
import { type Invocation, textOption } from "./command.ts";

export interface ServerAddress {
  readonly url: URL;
  readonly token: string;
}

export interface ClientRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
}

const runningFile = z.object({ url: z.url() });
const errorReply = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    hint: z.string().nullish(),
    traceId: z.string().nullish(),
    data: z.record(z.string(), z.unknown()).nullish(),
    position: z.object({ offset: z.number(), line: z.number(), column: z.number() }).nullish(),
  }),
});

/** The data folder that local commands look into. */
export function dataDirectory(invocation: Invocation): string {
  return path.resolve(textOption(invocation, "data-dir") ?? process.env.MILLRACE_DATA_DIR ?? ".millrace");
}

/**
 * Where the server is and who asks: MILLRACE_URL and MILLRACE_TOKEN, else the local server by its data folder.
 * @throws unavailable where no local server has left its address; unauthenticated where there is no token.
 */
export async function findServer(invocation: Invocation): Promise<ServerAddress> {
  const folder = dataDirectory(invocation);
  const given = textOption(invocation, "url") ?? process.env.MILLRACE_URL;
  const url = given === undefined ? await localAddress(folder) : given;
  const token = process.env.MILLRACE_TOKEN ?? (await readText(path.join(folder, "owner.token")));
  if (token === null) {
    throw new MillraceError("unauthenticated", `There is no token: neither MILLRACE_TOKEN nor ${folder}/owner.token.`, {
      hint: "Set MILLRACE_TOKEN to a token of yours.",
    });
  }
  if (!URL.canParse(url)) throw new MillraceError("bad_config", `"${url}" is not the address of a server.`);
  return { url: new URL(url), token: token.trim() };
}

async function localAddress(folder: string): Promise<string> {
  const text = await readText(path.join(folder, "server.json"));
  const parsed = text === null ? null : runningFile.safeParse(JSON.parse(text));
  if (parsed?.success) return parsed.data.url;
  throw new MillraceError("unavailable", `No server runs on ${folder}.`, {
    hint: `Start one with \`${ownCommand} up\`, or set MILLRACE_URL.`,
  });
}

async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, "utf8");
  } catch {
    return null;
  }
}

/** The API, spoken over one kept-alive agent. Bodies stream both ways with back-pressure. */
export class Client implements Disposable {
  readonly #address: ServerAddress;
  readonly #agent: http.Agent;

  constructor(address: ServerAddress) {
    this.#address = address;
    this.#agent =
      address.url.protocol === "https:" ? new https.Agent({ keepAlive: true }) : new http.Agent({ keepAlive: true });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  /** A successful reply, its body unread. @throws the server's error, or unavailable */
  async send(request: ClientRequest): Promise<http.IncomingMessage> {
    const reply = await this.#exchange(request);
    const status = reply.statusCode ?? 0;
    if (status >= 200 && status < 300) return reply;
    throw replyError(status, (await readAll(reply)).toString("utf8"));
  }

  /** A successful reply's JSON, parsed by the schema. */
  async json<Value>(request: ClientRequest, schema: z.ZodType<Value>): Promise<Value> {
    const reply = await this.send({ ...request, headers: { accept: "application/json", ...request.headers } });
    return schema.parse(JSON.parse((await readAll(reply)).toString("utf8")));
  }

  #exchange(request: ClientRequest): Promise<http.IncomingMessage> {
    const url = new URL(request.path, this.#address.url);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    const headers = { authorization: `Bearer ${this.#address.token}`, ...request.headers };
    const start = url.protocol === "https:" ? https.request : http.request;
    return new Promise((resolve, reject) => {
      const options: http.RequestOptions = { method: request.method, headers, agent: this.#agent };
      if (request.signal !== undefined) options.signal = request.signal;
      const outgoing = start(url, options);
      outgoing.on("response", resolve);
      outgoing.on("error", (cause) => reject(connectionError(url, cause)));
      writeBody(outgoing, request.body).catch((error: unknown) => {
        outgoing.destroy(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }
}

async function writeBody(outgoing: http.ClientRequest, body: ClientRequest["body"]): Promise<void> {
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) {
    outgoing.end(body);
    return;
  }
  for await (const chunk of body) {
    if (outgoing.destroyed) return;
    if (!outgoing.write(chunk)) {
      await new Promise<void>((resolve) => {
        const done = () => {
          outgoing.off("drain", done);
          outgoing.off("close", done);
          resolve();
        };
        outgoing.once("drain", done);
        outgoing.once("close", done);
      });
    }
  }
  outgoing.end();
}

export async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function connectionError(url: URL, cause: Error): Error {
  if (cause.name === "AbortError" || cause instanceof MillraceError) return cause;
  const isDistrusted = "code" in cause && /CERT|ALTNAME/.test(String(cause.code));
  return new MillraceError("unavailable", `The server at ${url.origin} cannot be reached: ${cause.message}.`, {
    hint: isDistrusted
      ? "If the certificate is yours, name its file (PEM) in NODE_EXTRA_CA_CERTS."
      : `Is it running? \`${ownCommand} up\` starts one here.`,
    cause,
  });
}

/** The server's error as it was meant, trace id in the data. */
function replyError(status: number, body: string): MillraceError {
  let parsed: z.infer<typeof errorReply> | null = null;
  try {
    parsed = errorReply.parse(JSON.parse(body));
  } catch {
    return new MillraceError(
      "unavailable",
      `The server answered ${status} with no error of its own: ${body.slice(0, 200)}`,
    );
  }
  const { code, message, hint, traceId, position, data } = parsed.error;
  return new MillraceError(isErrorCode(code) ? code : "internal", message, {
    ...(hint ? { hint } : {}),
    ...(position ? { position } : {}),
    ...(traceId || data ? { data: { ...data, ...(traceId ? { traceId } : {}) } } : {}),
  });
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}
