import { z } from "zod";
import type { Rooms } from "./contract.ts";
import { flag } from "./parts.ts";
import { type HttpRoute, streamRoute } from "./route.ts";
import { previewView } from "./views.ts";

const previewBytes = 256 * 1024;

/** What would become of a file, before it is uploaded. Nothing is kept, so that whoever may come in may ask. */
export function previewRoutes<Format>({ ingest }: Rooms<Format>): HttpRoute[] {
  return [
    streamRoute({
      method: "POST",
      path: "/api/v1/preview",
      summary: "Format, columns, first rows and problems of a file, from its first 256 KiB; keeps nothing",
      tag: "ingest",
      query: z.strictObject({
        name: z.string().max(1_000).default("").describe("The file's name: its ending says something of its format."),
        format: z.string().max(5_000).optional().describe("Instead of the one that is found out."),
        cut: flag.optional().describe("The body is a file's beginning; taken for so where it has 256 KiB."),
      }),
      body: { schema: z.unknown(), types: ["application/octet-stream"] },
      reply: { status: 200, schema: previewView, types: ["application/json"] },
      async handle({ query, exchange, signal }) {
        const format = query.format === undefined ? null : ingest.parseFormat(query.format);
        const bytes = await exchange.whole(previewBytes);
        const isCut = query.cut ?? bytes.byteLength === previewBytes;
        const input = { name: query.name, bytes, isCut, format };
        exchange.json(200, await ingest.preview(input, { traceId: exchange.traceId, signal }));
      },
    }),
  ];
}
