import http from "node:http";
import https from "node:https";
import type { Socket } from "node:net";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { TlsFiles } from "./bind.ts";
import type { EdgeLimits } from "./limits.ts";

export interface ListenerOptions {
  readonly tls: TlsFiles | null;
  readonly limits: EdgeLimits;
  readonly onMalformed: (error: Error & { readonly code?: string }, socket: Socket) => void;
  readonly onBadUrl: (error: Error, request: FastifyRequest, reply: FastifyReply) => void;
  readonly onConnections: (open: number) => void;
}

/** Fastify over a server of our own making, whose sockets have the limits; no route and no body parser yet. */
export function makeListener({ tls, limits, onMalformed, onBadUrl, onConnections }: ListenerOptions): FastifyInstance {
  const socketOptions: http.ServerOptions = {
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersMs,
    connectionsCheckingInterval: Math.min(5_000, limits.headersMs),
    // No limit of a whole request: an upload may take hours. `requestBody` ends clients that stall.
    requestTimeout: 0,
    keepAliveTimeout: 72_000,
  };
  const app = fastify<http.Server>({
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    forceCloseConnections: false,
    routerOptions: { maxParamLength: 500, ignoreTrailingSlash: true },
    clientErrorHandler: onMalformed,
    frameworkErrors: onBadUrl,
    serverFactory(handler) {
      const server =
        tls === null
          ? http.createServer(socketOptions, handler)
          : https.createServer({ ...socketOptions, ...tls, minVersion: "TLSv1.2", handshakeTimeout: 10_000 }, handler);
      server.maxConnections = limits.maxConnections;
      let open = 0;
      server.on(tls === null ? "connection" : "secureConnection", (socket: Socket) => {
        onConnections(++open);
        socket.once("close", () => onConnections(--open));
      });
      return server;
    },
  });
  app.server.headersTimeout = limits.headersMs;
  app.server.requestTimeout = 0;
  return app;
}
