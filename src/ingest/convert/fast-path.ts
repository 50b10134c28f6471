import { MillraceError } from "../../base/index.ts";

/** A fast path gives up: a slower one takes the batch. Never leaves this folder. */
export class FastPathEnded extends Error {}

/** What a fast path gives, or null where it gave up. @throws what is not about the data: a lost worker, a full disk */
export async function orSlower<Result>(attempt: () => Promise<Result>): Promise<Result | null> {
  try {
    return await attempt();
  } catch (error) {
    if (error instanceof FastPathEnded || isAboutData(error)) return null;
    throw error;
  }
}

function isAboutData(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false;
  // Memory too: of one line that is too long for the reader, the exact path makes pieces.
  return ["sql_runtime", "sql_binding", "bad_input", "sql_unsupported", "out_of_memory"].includes(error.code);
}
