import type { Platform } from "../kit/platform.ts";

/** What a client is told: an answer, or that it must come back, as every client of a server that may be killed does. */
export type Reply =
  | { readonly kind: "answered"; readonly text: string }
  | { readonly kind: "again"; readonly why: string };

/** A wrong thing that the platform did or said. */
export class Violation extends Error {}

const patienceMs = 60_000;

/** One request to whichever server runs now. @throws Violation on an answer that blames the caller, or an error of ours */
export async function request(
  platform: Platform | null,
  path: string,
  init: { readonly method: string; readonly headers?: Record<string, string>; readonly body?: string },
): Promise<Reply> {
  if (platform === null) return { kind: "again", why: "no server" };
  try {
    const reply = await fetch(new URL(path, platform.url), {
      ...init,
      headers: { authorization: `Bearer ${platform.token}`, ...init.headers },
      signal: AbortSignal.timeout(patienceMs),
    });
    const text = await reply.text();
    if (reply.ok) return { kind: "answered", text };
    if (reply.status === 429 || reply.status === 503) return { kind: "again", why: `${reply.status}: ${text}` };
    throw new Violation(`${init.method} ${path} answered ${reply.status}: ${text}`);
  } catch (error) {
    if (error instanceof Violation) throw error;
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if (error instanceof Error && error.name === "TimeoutError") {
      throw new Violation(`${init.method} ${path}: no answer within ${patienceMs} ms`);
    }
    return { kind: "again", why };
  }
}

export const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
