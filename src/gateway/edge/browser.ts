import { MillraceError } from "../../base/index.ts";
import type { Exchange } from "./exchange.ts";

/** A browser that remembers Basic credentials would send them for any site's page: such a page may not write here. */
export function refuseForeignBrowser(exchange: Exchange): void {
  const origin = exchange.header("origin");
  if (origin === undefined || exchange.request.method === "GET") return;
  if (!/^basic /i.test(exchange.header("authorization") ?? "")) return;
  if (URL.canParse(origin) && new URL(origin).host === exchange.header("host")) return;
  throw new MillraceError("forbidden", "A page of another site may not write here with remembered credentials.");
}
