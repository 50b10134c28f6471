import type { AddressInfo } from "node:net";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import {
  type Clock,
  deadlineSignal,
  type IdSource,
  MillraceError,
  Semaphore,
  type Service,
  type Telemetry,
  unreachable,
} from "../../base/index.ts";
import { type BindOptions, cannotListen, decideTls, isLoopback, reachableHost, type TlsFiles } from "./bind.ts";
import { linger } from "./body.ts";
import { credentialsOf, isOfScript, refuseForeignBrowser } from "./browser.ts";
import type { Credentials } from "./credentials.ts";
import { Exchange } from "./exchange.ts";
import { errorBody, errorHeaders, failureOf } from "./failure.ts";
import type { EdgeLimits } from "./limits.ts";
import { makeListener } from "./listener.ts";
import { answerMalformed } from "./malformed.ts";
import { traceOf, traceparentOf } from "./trace.ts";

/** Who may come in; identity happens to fit it. */
export interface Authenticator<Principal> {
  /** @throws unauthenticated */
  authenticate(credentials: Credentials): Promise<Principal>;
}

/** Who comes to a route that asks for no credentials and looks at them all the same. */
export interface Visitor<Principal> {
  /** null where there are no credentials, or none that are right. @throws what is no refusal */
  identify(): Promise<Principal | null>;
  /** By other credentials than those of the request. @throws unauthenticated, too_many_requests */
  authenticate(credentials: Credentials): Promise<Principal>;
}

/**
 * `principal`: credentials needed. `visitor`: looked at, not needed. `open`: none asked. `metrics`: none asked while the server listens on loopback only,
 * is configured open, and the request names a loopback host; else as `principal`.
 */
export type EdgeRoute<Principal> = {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  /** `/api/v1/things/:name`. */
  readonly url: string;
} & (
  | { readonly access: "open" | "metrics"; handle(exchange: Exchange): Promise<void> }
  | { readonly access: "visitor"; handle(exchange: Exchange, visitor: Visitor<Principal>): Promise<void> }
  | { readonly access: "principal"; handle(exchange: Exchange, principal: Principal): Promise<void> }
);

export interface EdgeOptions<Principal> {
  readonly bind: BindOptions;
  readonly limits: EdgeLimits;
  readonly metricsOpen: boolean;
  readonly authenticator: Authenticator<Principal>;
  readonly routes: readonly EdgeRoute<Principal>[];
  /** Answers what is no route and needs no credentials, or says that it is not its own. */
  readonly pages?: { answer(exchange: Exchange): Promise<boolean> };
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly telemetry: Telemetry;
}

/**
 *   stopped ──start──▶ serving ──stop──▶ draining ──all answered, or drainMs──▶ stopped
 * While draining: no new connection; a new request on an open one is answered 503 shutting_down; what runs goes on until
 * drainMs, then its signal aborts. Long-lived streams watch `draining` and end at once.
 */
export class EdgeServer<Principal> implements Service {
  readonly name = "gateway.edge";
  readonly #options: EdgeOptions<Principal>;
  readonly #stopping = new AbortController();
  readonly #active = new Map<FastifyRequest, Exchange>();
  readonly #passwordChecks: Semaphore;
  #app: FastifyInstance | null = null;
  #url: string | null = null;
  #whenIdle: (() => void) | null = null;

  constructor(options: EdgeOptions<Principal>) {
    this.#options = options;
    this.#passwordChecks = new Semaphore(options.limits.passwordChecks);
  }

  /** Where it answers, as in `http://127.0.0.1:8080`. @throws Error before start */
  get url(): string {
    if (this.#url === null) throw new Error("the server does not listen yet");
    return this.#url;
  }

  /** Aborts when the server begins to stop. */
  get draining(): AbortSignal {
    return this.#stopping.signal;
  }

  /** @throws bad_config for a public address without TLS; unavailable when the port is taken */
  async start(): Promise<void> {
    const { bind } = this.#options;
    const tls = await decideTls(bind);
    const app = this.#build(tls);
    this.#app = app;
    try {
      await app.listen({ host: bind.host, port: bind.port });
    } catch (cause) {
      throw cannotListen(bind.host, bind.port, cause);
    }
    const address = app.server.address();
    const port = isAddressInfo(address) ? address.port : bind.port;
    const host = reachableHost(bind.host);
    this.#url = `${tls === null ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${port}`;
    this.#options.telemetry.log.info("listening", { url: this.#url, host: bind.host });
  }

  async stop(): Promise<void> {
    const app = this.#app;
    if (app === null) return;
    this.#app = null;
    this.#stopping.abort(stopped());
    app.server.close();
    app.server.closeIdleConnections();
    if (this.#active.size > 0) await this.#drain();
    for (const exchange of this.#active.values()) exchange.abort(stopped());
    if (this.#active.size > 0) await this.#drain(1_000);
    app.server.closeAllConnections();
    await app.close();
  }

  async #drain(drainMs = this.#options.limits.drainMs): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenIdle = resolve;
    using deadline = deadlineSignal(this.#options.clock, drainMs, stopped);
    deadline.signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    this.#whenIdle = null;
  }

  #build(tls: TlsFiles | null): FastifyInstance {
    const { limits, telemetry, ids, routes, pages } = this.#options;
    const app = makeListener({
      tls,
      limits,
      onMalformed: (error, socket) => answerMalformed(error, socket, { ids, ...telemetry }),
      onBadUrl: (error, request, reply) => this.#fail(request, reply, error),
      onConnections: (open) => telemetry.metrics.gauge("http_connections", open),
    });
    // Every body is read by its route, by the route's own limit; nothing is buffered before.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser("*", (_request, _payload, done) => done(null));
    app.addHook("onRequest", async (request, reply) => this.#open(request, reply));
    app.setErrorHandler((error, request, reply) => this.#fail(request, reply, error));
    app.setNotFoundHandler(async (request, reply) => {
      const exchange = this.#exchange(request);
      reply.hijack();
      try {
        if ((request.method === "GET" || request.method === "HEAD") && (await pages?.answer(exchange))) return;
        await this.#authenticate(exchange);
        throw notFound(request);
      } catch (error) {
        this.#fail(request, reply, error);
      }
    });
    for (const route of routes) this.#add(app, route);
    return app;
  }

  #add(app: FastifyInstance, route: EdgeRoute<Principal>): void {
    app.route({
      method: route.method,
      url: route.url,
      handler: async (request, reply) => {
        const exchange = this.#exchange(request);
        reply.hijack();
        try {
          await this.#run(route, exchange);
        } catch (error) {
          this.#fail(request, reply, error);
        }
      },
    });
  }

  async #run(route: EdgeRoute<Principal>, exchange: Exchange): Promise<void> {
    switch (route.access) {
      case "principal":
        return await route.handle(exchange, await this.#authenticate(exchange));
      case "visitor":
        return await route.handle(exchange, this.#visitor(exchange));
      case "metrics":
        if (!this.#metricsOpenTo(exchange)) await this.#authenticate(exchange);
        return await route.handle(exchange);
      case "open":
        return await route.handle(exchange);
      default:
        return unreachable(route);
    }
  }

  #visitor(exchange: Exchange): Visitor<Principal> {
    return {
      authenticate: (credentials) => this.#check(credentials, exchange.signal),
      identify: () =>
        this.#authenticate(exchange).catch((error: unknown) => {
          if (error instanceof MillraceError && error.code === "unauthenticated") return null;
          throw error;
        }),
    };
  }

  #open(request: FastifyRequest, reply: FastifyReply): void {
    const { clock, ids, telemetry, limits } = this.#options;
    const traceId = traceOf(request.raw.headers.traceparent, ids);
    const exchange = new Exchange({
      request: request.raw,
      response: reply.raw,
      traceId,
      clock,
      log: telemetry.log,
      metrics: telemetry.metrics,
      bodyLimits: limits.body,
      stallMs: limits.stallMs,
      params: request.params,
      query: request.query,
    });
    const startedMs = clock.monotonicMs();
    this.#active.set(request, exchange);
    telemetry.metrics.gauge("http_requests_active", this.#active.size);
    reply.raw.setHeader("x-trace-id", traceId);
    reply.raw.setHeader("traceparent", traceparentOf(traceId, ids));
    reply.raw.setHeader("x-content-type-options", "nosniff");
    reply.raw.setHeader("cache-control", "no-store");
    // A broken socket shows as an error of the response too; the close that follows is what counts.
    reply.raw.on("error", () => {});
    reply.raw.once("finish", () => linger(request.raw, clock));
    reply.raw.once("close", () => this.#closed(request, reply, startedMs));
    if (this.#stopping.signal.aborted) throw stopped();
    refuseForeignBrowser(exchange);
  }

  #closed(request: FastifyRequest, reply: FastifyReply, startedMs: number): void {
    const { clock, telemetry } = this.#options;
    const exchange = this.#active.get(request);
    if (!reply.raw.writableFinished) {
      exchange?.abort(new MillraceError("query_cancelled", "The client went away before its answer was out."));
    }
    this.#active.delete(request);
    telemetry.metrics.gauge("http_requests_active", this.#active.size);
    if (this.#active.size === 0) this.#whenIdle?.();
    const route = request.routeOptions.url ?? "none";
    const elapsedMs = clock.monotonicMs() - startedMs;
    const status = reply.raw.writableFinished ? `${Math.floor(reply.raw.statusCode / 100)}xx` : "gone";
    telemetry.metrics.count("http_requests_total", 1, { method: request.method, route, status });
    telemetry.metrics.observe("http_request_seconds", elapsedMs / 1000, { method: request.method, route });
    telemetry.log.debug("answered", {
      method: request.method,
      route,
      status: reply.raw.statusCode,
      elapsedMs: Math.round(elapsedMs * 10) / 10,
      traceId: exchange?.traceId,
    });
  }

  #exchange(request: FastifyRequest): Exchange {
    const exchange = this.#active.get(request);
    if (exchange === undefined) throw new Error("the request was not opened");
    return exchange;
  }

  async #authenticate(exchange: Exchange): Promise<Principal> {
    return await this.#check(credentialsOf(exchange), exchange.signal);
  }

  async #check(credentials: Credentials, signal: AbortSignal): Promise<Principal> {
    const { authenticator } = this.#options;
    if (credentials.kind === "token") return await authenticator.authenticate(credentials);
    if (this.#passwordChecks.waiting >= 32) {
      throw new MillraceError("too_many_requests", "Too many passwords are being checked.", { retryAfterS: 2 });
    }
    using _turn = await this.#passwordChecks.acquire(signal);
    return await authenticator.authenticate(credentials);
  }

  #metricsOpenTo(exchange: Exchange): boolean {
    // The host is looked at because a page of some other name may resolve to 127.0.0.1 in the user's browser.
    const host = (exchange.header("host") ?? "").replace(/:\d+$/, "");
    return this.#options.metricsOpen && isLoopback(this.#options.bind.host) && isLoopback(host);
  }

  #fail(request: FastifyRequest, reply: FastifyReply, thrown: unknown): void {
    const exchange = this.#active.get(request);
    const failure = failureOf(
      exchange?.signal.aborted && !(thrown instanceof MillraceError) ? exchange.signal.reason : thrown,
    );
    const traceId = exchange?.traceId ?? this.#options.ids.traceId();
    if (failure.status >= 500 && failure.code !== "shutting_down" && failure.code !== "unavailable") {
      const route = request.routeOptions?.url ?? "none";
      this.#options.telemetry.log.error("a request failed", { traceId, method: request.method, route, error: failure });
    }
    reply.hijack();
    const response = reply.raw;
    if (response.headersSent || response.destroyed) {
      // Half an answer is out: the broken connection is the only way left to say that it is not whole.
      response.destroy();
      return;
    }
    const body = JSON.stringify(errorBody(failure, traceId));
    response.writeHead(failure.status, failure.code === "query_cancelled" ? "Client Closed Request" : undefined, {
      "content-type": "application/json; charset=utf-8",
      "content-length": String(Buffer.byteLength(body)),
      ...errorHeaders(failure, isOfScript(exchange)),
      ...(this.#stopping.signal.aborted ? { connection: "close" } : {}),
    });
    response.end(body);
  }
}

function stopped(): MillraceError {
  return new MillraceError("shutting_down", "The server is stopping.", { retryAfterS: 5 });
}

function notFound(request: FastifyRequest): MillraceError {
  const path = request.url.split("?")[0] ?? "";
  return new MillraceError("not_found", `There is no ${request.method} ${path.slice(0, 200)}.`, {
    hint: "GET /api/v1/openapi.json describes every route.",
  });
}

function isAddressInfo(address: AddressInfo | string | null): address is AddressInfo {
  return typeof address === "object" && address !== null;
}
