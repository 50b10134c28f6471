import { MillraceError, positionAt } from "../../base/index.ts";

/**
 * A worker's error speaks of the rewritten text: its positions are not those of the user's own. Where it names something, the
 * first place of that name in the user's text is a good guess; else there is no position.
 */
export function inUsersText(error: unknown, sql: string): unknown {
  if (!(error instanceof MillraceError) || error.position === undefined) return error;
  const named = /"([^"]+)"/.exec(error.message)?.[1];
  const at = named === undefined ? -1 : sql.indexOf(named);
  const message = error.message.split("\n")[0] ?? error.message;
  return new MillraceError(error.code, message, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(at < 0 ? {} : { position: positionAt(sql, at) }),
    cause: error,
  });
}
