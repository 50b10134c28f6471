import { MillraceError, positionAt, type TextPosition } from "../base/index.ts";
import {
  type Emit,
  locationOf,
  positionInText,
  type Reference,
  replaceCurrentUser,
  type Statement,
  textOf,
} from "../compiler/index.ts";
import { chanceOf, type Obstacle, pickedObstacle, statelessObstacle, takenNameObstacle } from "./classify.ts";
import { isLookup } from "./lookup-join.ts";
import { findAll, type Plan } from "./plan.ts";
import { orderless } from "./scope.ts";

/** What is no function of the inputs' rows, and what a result cannot be. */
export function refuseOthers(statement: Statement): void {
  const obstacle = pickedObstacle(statement.node);
  if (obstacle !== null)
    throw new MillraceError("sql_unsupported", `This SELECT cannot be kept right as rows arrive: ${obstacle.why}.`, {
      ...placeOf(statement, obstacle),
    });
  const name = takenNameObstacle(statement.node);
  if (name !== null)
    throw new MillraceError("sql_unsupported", `A transform makes columns of its own, and ${name.why}.`, {
      ...placeOf(statement, name),
      hint: "Give it another name with AS.",
    });
}

/** What is looked up changes no older rows: only rows that each come of one row of one input can be joined to it. */
export function refuseLookups(
  statement: Statement,
  found: readonly Reference[],
  { key = [] }: { readonly key?: readonly string[] | undefined },
): void {
  const lookups = findAll(statement.node, isLookup);
  if (lookups.length === 0) return;
  const ofCte = lookups.find((one) => !found.some(({ table }) => table === one));
  const obstacle =
    ofCte !== undefined
      ? { why: "it stands at a CTE", location: locationOf(ofCte) }
      : (statelessObstacle(statement.node) ??
        (key.length > 0 ? { why: "a KEY picks one row of several", location: null } : null));
  if (obstacle === null) return;
  throw new MillraceError(
    "sql_unsupported",
    `AT (TIMESTAMP => now()) joins a dataset's rows to single new rows of another, and here ${obstacle.why}.`,
    {
      ...placeOf(statement, obstacle),
      hint: "Keep the join as a dataset of its own, and group, pick or key its rows in another one.",
    },
  );
}

export function refuseEmit(sql: string, query: string, { when, allowedMs }: Emit, { window }: Plan): void {
  if (window !== null || (when === "changes" && allowedMs === null)) return;
  throw new MillraceError("sql_unsupported", "The result does not say of which window of event time its rows are.", {
    position: positionAt(sql, query.length),
    hint: "Group by window_start of tumble(...), hop(...) or session(...) over event_time in FROM, and select it.",
  });
}

export function nothingHeldBack(sql: string, query: string): MillraceError {
  return new MillraceError(
    "sql_unsupported",
    "IDLE says when an input no longer holds windows or other inputs back, and here is neither.",
    {
      position: positionAt(sql, query.length),
      hint: "As in EMIT ON CLOSE LATENESS '10 seconds' IDLE '1 minute'.",
    },
  );
}

export function nothingToSyncWith(sql: string, query: string): MillraceError {
  return new MillraceError("sql_unsupported", "SYNC waits for what is looked up, and nothing is.", {
    position: positionAt(sql, query.length),
    hint: "As in SELECT ... FROM p.d LEFT JOIN p.l AS l AT (TIMESTAMP => now()) ON l.k = d.k EMIT CHANGES SYNC.",
  });
}

export function refuseOrderless(statement: Statement): void {
  const call = orderless(statement.node);
  if (call === null) return;
  const name = textOf(call, "function_name");
  throw new MillraceError("sql_unsupported", `${name}() is another value each time where no order is said.`, {
    ...placeOf(statement, { location: locationOf(call) }),
    hint: `Say one: ${name}(... ORDER BY ...).`,
  });
}

export function refuseChance(statement: Statement): void {
  const obstacle = chanceOf(statement.node);
  if (obstacle !== null)
    throw new MillraceError("sql_unsupported", `A transform makes the same rows whenever it is run: ${obstacle.why}.`, {
      ...placeOf(statement, obstacle),
      hint: "now() and current_date are allowed: they say when the run was decided.",
    });
  if (replaceCurrentUser(statement.node, "", []))
    throw new MillraceError("sql_unsupported", "A transform runs for nobody in particular: it has no current_user.");
}

/** Where an obstacle stands, for an error. */
export function placeOf(statement: Statement, { location }: Pick<Obstacle, "location">): { position?: TextPosition } {
  return location !== null && Number.isSafeInteger(location) ? { position: positionInText(statement, location) } : {};
}

/** An error of a text that begins at `at` of a longer one, with its place there. */
export function within(sql: string, at: number, error: unknown): unknown {
  if (!(error instanceof MillraceError) || error.position === undefined) return error;
  return new MillraceError(error.code, error.message.split("\n")[0] ?? "", {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    position: positionAt(sql, at + error.position.offset),
    cause: error,
  });
}
