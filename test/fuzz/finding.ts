import { z } from "zod";
import { errorCodes } from "../../src/base/index.ts";

/** What an input has brought to light. */
export class Finding extends Error {}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

const errorReply = z.object({
  error: z.object({
    code: z.string(),
    message: z.string().min(1),
    hint: z.string().nullable(),
    traceId: z.string().min(1),
  }),
});

/**
 * The oracle of every door: success, or a clear refusal with a code of the list and its status; to HEAD, the status alone.
 * @throws Finding
 */
export function checkAnswer({ status, headers, body }: Answer, hasNoBody = false): void {
  const shown = () => body.subarray(0, 1_000).toString("utf8");
  if (status >= 200 && status < 300) return;
  if (status < 400 || status >= 500) throw new Finding(`answered ${status}: ${shown()}`);
  if (hasNoBody) return;
  const type = String(headers["content-type"] ?? "");
  if (!type.startsWith("application/json")) throw new Finding(`answered ${status} as ${type}: ${shown()}`);
  let reply: z.infer<typeof errorReply>;
  try {
    reply = errorReply.parse(JSON.parse(body.toString("utf8")));
  } catch {
    throw new Finding(`answered ${status} with no error of ours: ${shown()}`);
  }
  const known = Object.entries(errorCodes).find(([code]) => code === reply.error.code);
  if (known === undefined) throw new Finding(`answered with the unknown code ${reply.error.code}`);
  if (known[1].status !== status && status !== 431) throw new Finding(`${reply.error.code} came as ${status}`);
  if (/\/tmp\/|node_modules|\n\s+at |postgres:\/\//.test(reply.error.message)) {
    throw new Finding(`tells of the inside: ${shown()}`);
  }
}

/** The oracle of what is judged in this process: no error, or one of ours that blames the caller. @throws Finding */
export function checkRefusal(error: unknown, allowed: readonly string[]): void {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (allowed.includes(code)) return;
  const told = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const cause = error instanceof Error && error.cause instanceof Error ? `\ncaused by ${error.cause.stack}` : "";
  throw new Finding(`threw ${code === "" ? "no error of ours" : code}: ${told}${cause}`.slice(0, 4_000));
}
