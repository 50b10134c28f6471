import { MillraceError } from "../base/index.ts";

/** SQLSTATEs after which the same transaction may succeed: serialization failure, deadlock, lock not available. */
const passing = new Set(["40001", "40P01", "55P03"]);
/** Classes and codes of a server or connection that is not there: 08, 53, 57P of the appendix, and the client's own. */
const away = /^(08|53|57P|CONNECTION_LOST|ECONN|EPIPE|ETIMEDOUT|ENOTFOUND)/;

/** What PostgreSQL answered, as an error of ours; what is none of the known cases stays as it is. */
export function databaseFailure(error: unknown): unknown {
  if (error instanceof MillraceError || !(error instanceof Error) || !("code" in error)) return error;
  const code = String(error.code);
  if (passing.has(code)) {
    return new MillraceError("conflict", "Another change was made at the same moment.", {
      hint: "Nothing of this one was kept: send it again.",
      cause: error,
    });
  }
  if (away.test(code)) {
    return new MillraceError("unavailable", "The database of definitions does not answer.", {
      hint: "It is not known whether the change was made: read it before you send it again.",
      cause: error,
    });
  }
  return error;
}
