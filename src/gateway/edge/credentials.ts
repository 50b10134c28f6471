import { MillraceError } from "../../base/index.ts";

export type Credentials =
  | { readonly kind: "token"; readonly token: string }
  | {
      readonly kind: "password";
      readonly user: string;
      readonly password: string;
      /** Of the peer: guessing is slowed down by it, too. */
      readonly address: string;
    };

const tokenPrefix = "mlr_";

function refuse(message: string): MillraceError {
  return new MillraceError("unauthenticated", message, {
    hint: "Send `Authorization: Bearer TOKEN`, or Basic with USER:PASSWORD or USER:TOKEN.",
  });
}

/**
 * Reads an Authorization header (RFC 6750 Bearer, RFC 7617 Basic). Basic carries `user:password` or, for clients that know
 * no Bearer, `user:token`.
 * @throws unauthenticated
 */
export function readCredentials(header: string | undefined, address: string): Credentials {
  if (header === undefined || header === "") throw refuse("This needs a token or a password.");
  const [, scheme = "", rest = ""] = /^([A-Za-z]+) +([^\s]+) *$/.exec(header) ?? [];
  switch (scheme.toLowerCase()) {
    case "bearer":
      return { kind: "token", token: rest };
    case "basic":
      return readBasic(rest, address);
    default:
      throw refuse("The Authorization header cannot be read.");
  }
}

function readBasic(encoded: string, address: string): Credentials {
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) throw refuse("The Basic credentials hold no colon.");
  const password = text.slice(colon + 1);
  if (password.startsWith(tokenPrefix)) return { kind: "token", token: password };
  return { kind: "password", user: text.slice(0, colon), password, address };
}
