import { asMillraceError } from "../../base/index.ts";

/**
 * ok: as it should be. note: nothing to do, worth knowing. warning: works, and somebody should look. problem: something is
 * wrong. skipped: it could not be asked, because of another finding.
 */
export type FindingState = "ok" | "note" | "warning" | "problem" | "skipped";

export interface Finding {
  readonly check: string;
  readonly state: FindingState;
  /** What was found, in a sentence. */
  readonly text: string;
  /** What to do, and with which command. */
  readonly advice: string | null;
}

export function finding(check: string, state: FindingState, text: string, advice: string | null = null): Finding {
  return { check, state, text, advice };
}

/** A thrown thing as a problem, with its own hint where it has one. */
export function failed(check: string, error: unknown, advice: string | null = null): Finding {
  const { code, message, hint, cause } = asMillraceError(error);
  const why = code === "internal" && cause instanceof Error ? ` (${cause.message})` : "";
  return finding(check, "problem", `${message}${why}`, advice ?? hint ?? null);
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
