import { z } from "zod";
import { describeOrigin } from "../../base/index.ts";
import type { Rooms } from "./contract.ts";
import { openApiDocument } from "./openapi.ts";
import { type HttpRoute, jsonRoute, openRoute, type RouteDescription } from "./route.ts";
import { configView } from "./views.ts";

/**
 * - `/healthz`: the process answers. Never looks at what it depends on, or one broken part would restart all.
 * - `/readyz`: it can serve; 503 with the parts that cannot, and while it stops.
 * - `/metrics`: Prometheus text.
 */
export function systemRoutes<Format>(
  rooms: Rooms<Format>,
  { draining, describe }: { draining: () => AbortSignal; describe: () => readonly RouteDescription[] },
): HttpRoute[] {
  let document: Uint8Array | null = null;
  return [
    openRoute({
      path: "/healthz",
      summary: "Whether the process answers",
      access: "open",
      types: ["application/json"],
      async handle(exchange) {
        exchange.json(200, { ok: true });
      },
    }),
    openRoute({
      path: "/readyz",
      summary: "Whether the server can serve, by part; 503 where not",
      access: "open",
      types: ["application/json"],
      async handle(exchange) {
        const parts = await rooms.readiness(exchange.signal);
        const ok = !draining().aborted && Object.values(parts).every(Boolean);
        exchange.json(ok ? 200 : 503, { ok, parts });
      },
    }),
    openRoute({
      path: "/metrics",
      summary: "Metrics in the text format of Prometheus; without a token on loopback only, and where configured",
      access: "metrics",
      types: ["text/plain"],
      async handle(exchange) {
        const text = await rooms.metrics.expose();
        exchange.bytes(200, Buffer.from(text), { "content-type": rooms.metrics.contentType });
      },
    }),
    openRoute({
      path: "/api/v1/openapi.json",
      summary: "This API, described in OpenAPI 3.1",
      access: "open",
      types: ["application/json"],
      async handle(exchange) {
        document ??= Buffer.from(JSON.stringify(openApiDocument(describe(), rooms.program.version)));
        exchange.bytes(200, document, { "content-type": "application/json; charset=utf-8" });
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/api/v1/config",
      summary: "Each setting and where its value comes from",
      tag: "server",
      reply: z.object({ settings: z.array(configView) }),
      async handle({ principal }) {
        await rooms.access.authorize(principal, "organization.admin", {});
        const settings = rooms.config().map(({ name, value, origin, secret, description }) => ({
          name,
          value: secret ? null : (value ?? null),
          origin: describeOrigin(origin),
          secret,
          description,
        }));
        return { settings };
      },
    }),
  ];
}
