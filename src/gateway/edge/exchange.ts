import type { IncomingMessage, ServerResponse } from "node:http";
import { TLSSocket } from "node:tls";
import { type Clock, type Logger, type Metrics, MillraceError, type TraceId } from "../../base/index.ts";
import { type BodyLimits, requestBody } from "./body.ts";
import { fileChunks, send } from "./sending.ts";

export interface ExchangeOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly traceId: TraceId;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly bodyLimits: BodyLimits;
  readonly stallMs: number;
  readonly params: unknown;
  readonly query: unknown;
}

export type AnswerHeaders = Readonly<Record<string, string>>;

/** One request and its answer. The answer is begun once: by `json`, `text`, `bytes`, `file` or `begin`. */
export class Exchange {
  readonly traceId: TraceId;
  readonly log: Logger;
  /** Path parameters and query, not yet parsed. */
  readonly params: unknown;
  readonly query: unknown;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly #options: ExchangeOptions;
  readonly #controller = new AbortController();

  constructor(options: ExchangeOptions) {
    this.#options = options;
    this.traceId = options.traceId;
    this.log = options.log;
    this.params = options.params;
    this.query = options.query;
    this.request = options.request;
    this.response = options.response;
  }

  /** Aborts when the client goes away before its answer is out, and when the server stops. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: MillraceError): void {
    this.#controller.abort(reason);
  }

  /** Of the peer; empty where it has gone already. */
  get address(): string {
    return this.request.socket.remoteAddress ?? "";
  }

  get isEncrypted(): boolean {
    return this.request.socket instanceof TLSSocket;
  }

  /** A header's value; lists are joined. */
  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  /** The body as it comes; see `requestBody`. Read it at most once. */
  body(): AsyncGenerator<Uint8Array, void, void> {
    const { request, clock, bodyLimits, metrics } = this.#options;
    const onBytes = (bytes: number) => metrics.count("http_received_bytes_total", bytes);
    return requestBody(request, { clock, limits: bodyLimits, onBytes });
  }

  /** The whole body. @throws too_large beyond `maxBytes` */
  async whole(maxBytes: number): Promise<Uint8Array> {
    const tooLarge = () =>
      new MillraceError("too_large", `The request's body is larger than ${maxBytes} bytes.`, {
        hint: "Rows of any size go to POST .../rows.",
      });
    if (Number(this.request.headers["content-length"] ?? 0) > maxBytes) throw tooLarge();
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of this.body()) {
      size += chunk.byteLength;
      if (size > maxBytes) throw tooLarge();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** The whole body as text. @throws too_large beyond `maxBytes`; bad_request when it is not UTF-8 */
  async text(maxBytes: number): Promise<string> {
    const bytes = await this.whole(maxBytes);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw new MillraceError("bad_request", "The request's body is not UTF-8 text.");
    }
  }

  get begun(): boolean {
    return this.response.headersSent;
  }

  json(status: number, value: unknown, headers: AnswerHeaders = {}): void {
    this.bytes(status, Buffer.from(JSON.stringify(value)), {
      "content-type": "application/json; charset=utf-8",
      ...headers,
    });
  }

  bytes(status: number, body: Uint8Array, headers: AnswerHeaders): void {
    this.response.writeHead(status, { "content-length": String(body.byteLength), ...headers });
    this.response.end(body);
  }

  /** Sends a file with back-pressure. @throws when the client goes away or stalls, or the file cannot be read */
  async file(status: number, path: string, sizeBytes: number, headers: AnswerHeaders): Promise<void> {
    this.response.writeHead(status, { "content-length": String(sizeBytes), ...headers });
    let sent = 0;
    for await (const chunk of fileChunks(path)) {
      sent += chunk.byteLength;
      await this.write(chunk);
    }
    // The client waits for as many bytes as were promised: only a broken connection can tell it that they will not come.
    if (sent !== sizeBytes) throw new Error(`a result file of ${sizeBytes} bytes gave ${sent}`);
    this.response.end();
  }

  /** Begins an answer that `write` goes on and `end` closes. */
  begin(status: number, headers: AnswerHeaders): void {
    this.response.writeHead(status, { ...headers });
    this.response.flushHeaders();
  }

  async write(chunk: Uint8Array | string): Promise<void> {
    const { clock, stallMs, metrics, response } = this.#options;
    await send(response, chunk, { clock, stallMs, onStall: () => metrics.count("http_slow_clients_total") });
  }

  end(): void {
    this.response.end();
  }
}
