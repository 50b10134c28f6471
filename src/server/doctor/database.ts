import { type Clock, instant } from "../../base/index.ts";
import { compareMirror } from "../../resources/index.ts";
import type { DatabaseView, ObjectStore } from "../../storage/index.ts";
import { type Finding, failed, finding } from "./finding.ts";
import { skewFinding } from "./store.ts";

export const rebuild = "Stop the server, then: millrace restore-definitions";
const rebuildOver = "Stop the server, then: millrace restore-definitions --replace";

/** PostgreSQL's own state: its migrations and its clock. */
export async function* databaseFindings(view: DatabaseView, clock: Clock): AsyncIterable<Finding> {
  const check = "postgresql";
  const { lacking, foreign, sql } = view;
  if (foreign.length > 0) {
    const text = `It has migrations that this version does not know: ${foreign.slice(0, 3).join(", ")}.`;
    yield finding(check, "problem", text, "Run the newer Millrace that has used it.");
  } else if (lacking.length > 0) {
    yield finding(check, "note", `It lacks ${lacking.length} migrations; the next start applies them.`);
  } else yield finding(check, "ok", "It answers, and has this version's schema.");
  try {
    const before = clock.now();
    const [row] = await sql<{ now: Date }[]>`SELECT clock_timestamp() AS now`;
    const theirs = instant(row?.now.getTime() ?? before);
    yield skewFinding("clock of postgresql", "PostgreSQL", Math.max(before - theirs, theirs - clock.now()));
  } catch (error) {
    yield failed("clock of postgresql", error);
  }
}

/** Definitions: the mirror in the object store, and what the database has of it. */
export async function mirrorFinding(
  store: ObjectStore,
  view: DatabaseView | null,
  signal: AbortSignal,
): Promise<Finding> {
  for (let attempt = 1; ; attempt++) {
    const found = await compareOnce(store, view, signal);
    // The two are read one after the other: beside a running server a change may fall between.
    if (found.state !== "problem" || attempt === 3) return found;
  }
}

async function compareOnce(store: ObjectStore, view: DatabaseView | null, signal: AbortSignal): Promise<Finding> {
  const check = "definitions";
  try {
    const asks = view !== null && view.lacking.length === 0 && view.foreign.length === 0;
    const { changes, last, declared, database } = await compareMirror(store, asks ? view.sql : null, signal);
    const held = `The mirror holds ${declared} definitions by ${changes} changes`;
    if (database === null) return finding(check, "ok", `${held}; there is no database to hold them against.`);
    if (database.declared === 0 && declared > 0)
      return finding(check, "problem", `PostgreSQL is empty. ${held}.`, rebuild);
    if (database.progress < last && database.waiting === 0)
      return finding(
        check,
        "problem",
        `PostgreSQL is older than the mirror (position ${database.progress} of ${last}): it was put back from a backup.`,
        rebuildOver,
      );
    if (database.progress > last)
      return finding(
        check,
        "problem",
        `The mirror ends at ${last}, and PostgreSQL knows of ${database.progress}: objects were lost.`,
        "Put definitions/ of the object store back from a copy.",
      );
    const [first] = database.different;
    if (first !== undefined)
      return finding(
        check,
        "problem",
        `${database.different.length} definitions differ between PostgreSQL and the mirror, as ${first}.`,
        rebuildOver,
      );
    const waiting =
      database.waiting === 0 ? "" : ` ${database.waiting} changes wait for their copy, which a running server makes.`;
    return finding(check, waiting === "" ? "ok" : "note", `${held}, as PostgreSQL does.${waiting}`);
  } catch (error) {
    return failed(check, error);
  }
}
