import { z } from "zod";
import type { Clock } from "../../base/index.ts";
import { type Credentials, type Exchange, isLoopback, refuseForeignPage, sessionHeader } from "../edge/index.ts";
import { whoIs } from "./access.ts";
import type { Rooms } from "./contract.ts";
import { type HttpRoute, visitorRoute } from "./route.ts";
import { principalView, sessionView } from "./views.ts";

const tag = "access";
const path = "/api/v1/session";
const secret = z.string().min(1).max(1_000);
const signIn = z.union([
  z.strictObject({ token: secret }),
  z.strictObject({ user: z.string().min(1).max(100), password: secret }),
]);

/** How a browser signs in: it gives a token or a password once, and keeps a cookie that no script can read. */
export function sessionRoutes<Format>(
  { administration, ownerTokenFile, program }: Rooms<Format>,
  { clock }: { readonly clock: Clock },
): HttpRoute[] {
  return [
    visitorRoute({
      method: "GET",
      path,
      summary: "Who you are, and whether the server waits for its owner; open",
      tag,
      body: null,
      reply: sessionView,
      async handle({ exchange, visitor }) {
        const principal = await visitor.identify();
        const tokenFile = isOnThisMachine(exchange) ? ownerTokenFile : null;
        const setUp = { needed: await administration.needsSetUp(), tokenFile };
        return { value: { who: principal === null ? null : whoIs(principal, program), setUp } };
      },
    }),
    visitorRoute({
      method: "POST",
      path,
      summary: "Signs a browser in: answers with a cookie; open",
      tag,
      body: signIn,
      reply: principalView,
      async handle({ exchange, visitor, body }) {
        // Another site's page must not sign its reader in as somebody else.
        if (exchange.header("origin") !== undefined || exchange.header("sec-fetch-site") !== undefined) {
          refuseForeignPage(exchange);
        }
        const principal = await visitor.authenticate(credentialsIn(body, exchange.address));
        const { token, expiresAt } = await administration.openSession(principal);
        const maxAgeS = Math.floor((expiresAt - clock.now()) / 1000);
        const opened = await visitor.authenticate({ kind: "token", token });
        return {
          value: whoIs(opened, program),
          headers: { "set-cookie": sessionHeader(exchange, { token, maxAgeS }) },
        };
      },
    }),
    visitorRoute({
      method: "DELETE",
      path,
      summary: "Signs a browser out: its session ends at once",
      tag,
      body: null,
      reply: z.void(),
      async handle({ exchange, visitor }) {
        const principal = await visitor.identify();
        if (principal !== null && principal.tokenId !== null) {
          await administration.closeSession(principal.tokenId, principal.user);
        }
        return { value: undefined, headers: { "set-cookie": sessionHeader(exchange, null) } };
      },
    }),
  ];
}

function credentialsIn(body: z.output<typeof signIn>, address: string): Credentials {
  return "token" in body ? { kind: "token", token: body.token } : { kind: "password", ...body, address };
}

/** The host is looked at because a page of some other name may resolve to 127.0.0.1 in the user's browser. */
function isOnThisMachine(exchange: Exchange): boolean {
  const host = (exchange.header("host") ?? "").replace(/:\d+$/, "");
  return isLoopback(exchange.address) && isLoopback(host);
}
