import { createHash, timingSafeEqual } from "node:crypto";
import type { Random } from "../base/index.ts";

// mlr_<id, 12 hex digits>_<secret, 43 characters base64url>. The id finds the token; of the secret only the sha-256 is kept:
// it has 256 random bits, so no slow hash is needed. The prefix lets scanners of leaked secrets find it.

const pattern = /^mlr_([0-9a-f]{12})_([A-Za-z0-9_-]{43})$/;

export interface NewToken {
  readonly id: string;
  readonly text: string;
  /** sha-256 of the secret, hex. */
  readonly hash: string;
}

export function newToken(random: Random): NewToken {
  const id = Buffer.from(random.bytes(6)).toString("hex");
  const secret = Buffer.from(random.bytes(32)).toString("base64url");
  return { id, text: `mlr_${id}_${secret}`, hash: createHash("sha256").update(secret).digest("hex") };
}

export const isTokenText = (text: string) => pattern.test(text);

/** The id of the token that a text claims to be, or null. */
export function tokenIdOf(text: string): string | null {
  return pattern.exec(text)?.[1] ?? null;
}

/** In constant time, also where there is no such token (`hash` null). */
export function tokenFits(text: string, hash: string | null): boolean {
  const secret = pattern.exec(text)?.[2] ?? "";
  const given = createHash("sha256").update(secret).digest();
  const wanted = Buffer.from(hash ?? "00".repeat(32), "hex");
  return wanted.length === given.length && timingSafeEqual(given, wanted) && hash !== null && secret !== "";
}
