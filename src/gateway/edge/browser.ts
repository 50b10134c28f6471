import { MillraceError } from "../../base/index.ts";
import { type Credentials, readCredentials } from "./credentials.ts";
import type { Exchange } from "./exchange.ts";

const sessionCookie = "millrace_session";

/** A browser that remembers Basic credentials would send them for any site's page: such a page may not write here. */
export function refuseForeignBrowser(exchange: Exchange): void {
  const origin = exchange.header("origin");
  if (origin === undefined || exchange.request.method === "GET") return;
  if (!/^basic /i.test(exchange.header("authorization") ?? "")) return;
  if (isOwnOrigin(exchange, origin)) return;
  throw new MillraceError("forbidden", "A page of another site may not write here with remembered credentials.");
}

/** Credentials of a request: its Authorization header, else the session that a browser has. @throws unauthenticated, forbidden */
export function credentialsOf(exchange: Exchange): Credentials {
  const authorization = exchange.header("authorization");
  const session = authorization === undefined ? sessionOf(exchange) : null;
  if (session === null) return readCredentials(authorization, exchange.address);
  refuseForeignPage(exchange);
  return { kind: "token", token: session };
}

/** The session of the cookie; null where there is none. Two of them: one was planted. @throws unauthenticated */
function sessionOf(exchange: Exchange): string | null {
  const found = (exchange.header("cookie") ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${sessionCookie}=`))
    .map((pair) => pair.slice(sessionCookie.length + 1));
  if (found.length > 1) throw new MillraceError("unauthenticated", "The request carries two sessions.");
  return found[0] === undefined || found[0] === "" ? null : found[0];
}

/**
 * A browser sends the cookie whoever makes it ask: what a page of another origin asks, another port of this machine
 * included, is refused, and what writes must say its origin. @throws forbidden
 */
export function refuseForeignPage(exchange: Exchange): void {
  const { method } = exchange.request;
  const writes = method !== "GET" && method !== "HEAD";
  const site = exchange.header("sec-fetch-site");
  const origin = exchange.header("origin");
  const isOwn = origin === undefined ? !writes : isOwnOrigin(exchange, origin);
  // `none`: the user typed the address.
  const isNear = site === undefined || site === "same-origin" || (site === "none" && !writes);
  if (isOwn && isNear) return;
  throw new MillraceError("forbidden", "A page of another site may not ask with your session.");
}

/** Sets the session's cookie; `null` ends it. Scripts cannot read it, and pages of other sites do not send it. */
export function sessionHeader(exchange: Exchange, session: { token: string; maxAgeS: number } | null): string {
  // A proxy may end TLS: then the browser's own word, which no page can forge, says that it came by https.
  const isSecure = exchange.isEncrypted || /^https:/i.test(exchange.header("origin") ?? "");
  const secure = isSecure ? "; Secure" : "";
  const { token, maxAgeS } = session ?? { token: "", maxAgeS: 0 };
  return `${sessionCookie}=${token}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${maxAgeS}${secure}`;
}

/** A script of a page asks: the page signs in by itself, and the browser's own dialog would stand in its way. */
export function isOfScript(exchange: Exchange | undefined): boolean {
  const mode = exchange?.header("sec-fetch-mode");
  return mode !== undefined && mode !== "navigate";
}

function isOwnOrigin(exchange: Exchange, origin: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === exchange.header("host");
}
