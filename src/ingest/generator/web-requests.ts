import { formatInstant, type Instant, type Random } from "../../base/index.ts";

const methods = ["GET", "GET", "GET", "GET", "GET", "GET", "POST", "PUT", "DELETE", "HEAD"];
const paths = [
  "/",
  "/",
  "/pricing",
  "/docs",
  "/docs/start",
  "/blog",
  "/login",
  "/cart",
  "/checkout",
  "/api/orders",
  "/api/items",
  "/search",
];
const statuses = [200, 200, 200, 200, 200, 200, 200, 204, 301, 304, 400, 404, 404, 500];
const agents = [
  "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0",
  "Mozilla/5.0 (Macintosh) Safari/605.1",
  "Mozilla/5.0 (Windows NT 10.0) Chrome/126.0",
  "curl/8.8.0",
  "Googlebot/2.1",
];
const referrers = [null, null, null, "https://www.example.com/", "https://news.example.org/item"];

/** Its columns besides `event_time`, with DuckDB types. */
export const webRequestColumns = [
  { name: "client_ip", type: "VARCHAR" },
  { name: "method", type: "VARCHAR" },
  { name: "path", type: "VARCHAR" },
  { name: "status", type: "BIGINT" },
  { name: "bytes", type: "BIGINT" },
  { name: "duration_ms", type: "DOUBLE" },
  { name: "user_agent", type: "VARCHAR" },
  { name: "referrer", type: "VARCHAR" },
];

/** A request to an imagined web shop: plausible, and the same for the same chance. */
export function webRequest(at: Instant, random: Random): Record<string, unknown> {
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random.float() * items.length)];
  const octet = () => Math.floor(random.float() * 254) + 1;
  const status = pick(statuses) ?? 200;
  return {
    event_time: formatInstant(at),
    client_ip: `203.0.113.${octet()}`,
    method: pick(methods),
    path: pick(paths),
    status,
    bytes: status === 200 ? Math.floor(500 + random.float() ** 3 * 60_000) : 0,
    duration_ms: Math.round((2 + random.float() ** 4 * 800) * 10) / 10,
    user_agent: pick(agents),
    referrer: pick(referrers),
  };
}
