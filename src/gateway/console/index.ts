import type { Clock } from "../../base/index.ts";
import type { AnswerHeaders, Exchange } from "../edge/index.ts";
import { type PageEncoding, type PageFile, Site } from "./site.ts";

/** Paths that are no pages, whatever a browser accepts. */
const reserved = /^\/(api|odf|metrics|healthz|livez|readyz)(\/|$)/;

/** Scripts and styles from here only, no frames, no other site. Libraries set style attributes, never style elements. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "style-src-attr 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

const security: AnswerHeaders = {
  "content-security-policy": policy,
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
};

const notBuilt = `The console is not built.

Build it once, in the folder of Millrace, and load this page again:

    npm run build:console

The API is there meanwhile: GET /api/v1/openapi.json describes it.
`;

/**
 * The console's pages, open to all: they hold nothing but the program, which asks the API. Answers whether the path is one
 * of its own; every other path of a browser that wants a page gets index.html, which knows where it leads.
 */
export function consolePages(directory: string, clock: Clock): { answer(exchange: Exchange): Promise<boolean> } {
  const site = new Site(directory, clock);
  return {
    async answer(exchange) {
      const pathname = pathOf(exchange.request.url ?? "/");
      if (pathname === null || reserved.test(pathname)) return false;
      const wantsPage = pathname === "/" || (exchange.header("accept") ?? "").includes("text/html");
      const pages = await site.pages();
      const asset = pages?.get(pathname);
      if (asset !== undefined) {
        await send(
          exchange,
          asset,
          pathname.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
        );
        return true;
      }
      if (pathname.startsWith("/assets/")) {
        sendText(exchange, 404, "There is no such file of the console.\n"); // of an older build, most likely
        return true;
      }
      if (!wantsPage) return false;
      const index = pages?.get("/index.html");
      if (index === undefined) sendText(exchange, 503, notBuilt);
      else await send(exchange, index, "no-cache");
      return true;
    },
  };
}

/** Decoded; null where that cannot be done. */
function pathOf(url: string): string | null {
  try {
    return decodeURIComponent(url.split(/[?#]/, 1)[0] ?? "/");
  } catch {
    return null;
  }
}

async function send(exchange: Exchange, page: PageFile, cacheControl: string): Promise<void> {
  const encoding = chooseEncoding(page, exchange.header("accept-encoding") ?? "");
  const compressed = encoding === null ? undefined : page.compressed[encoding];
  const etag = encoding === null ? page.etag : page.etag.replace(/"$/, `-${encoding}"`);
  const headers: AnswerHeaders = { ...security, "cache-control": cacheControl, etag, vary: "accept-encoding" };
  if (matches(exchange.header("if-none-match"), etag)) {
    exchange.response.writeHead(304, headers);
    exchange.end();
    return;
  }
  const { file, sizeBytes } = compressed ?? page;
  const full: AnswerHeaders = {
    ...headers,
    "content-type": page.type,
    ...(encoding === null ? {} : { "content-encoding": encoding }),
  };
  if (exchange.request.method !== "HEAD") return await exchange.file(200, file, sizeBytes, full);
  exchange.response.writeHead(200, { ...full, "content-length": String(sizeBytes) });
  exchange.end();
}

function sendText(exchange: Exchange, status: number, text: string): void {
  exchange.bytes(status, Buffer.from(text), {
    ...security,
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
  });
}

/** The smallest that the client takes. */
function chooseEncoding(page: PageFile, accepted: string): PageEncoding | null {
  const taken = new Set<string>();
  for (const item of accepted.toLowerCase().split(",")) {
    const [name = "", quality] = item.split(";").map((part) => part.trim());
    if (!/^q=0(\.0*)?$/.test(quality ?? "")) taken.add(name);
  }
  return (["br", "gzip"] as const).find((name) => page.compressed[name] !== undefined && taken.has(name)) ?? null;
}

function matches(header: string | undefined, etag: string): boolean {
  return header?.split(",").some((one) => one.trim().replace(/^W\//, "") === etag) ?? false;
}
