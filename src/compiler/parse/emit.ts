import { MillraceError, positionAt } from "../../base/index.ts";
import { intervalMs } from "../windows/interval.ts";
import { type Word, Words } from "./words.ts";

/** When a transform's result tells of a window, and how late rows may come. */
export interface Emit {
  /** changes: at once, and corrected as rows come. close: when no more rows of the window are expected. */
  readonly when: "changes" | "close";
  /** How far the watermark stays behind the greatest event time. */
  readonly latenessMs: number;
  /** How far behind the watermark the end of a window may be, and a row still change it; null: for ever. */
  readonly allowedMs: number | null;
  /** How long an input brings nothing until it no longer holds the watermark back; null: it does for ever. */
  readonly idleMs: number | null;
  /** Whether new rows wait until what they are joined to is not behind them. */
  readonly sync: boolean;
}

/** An input that is idle for less was fed a moment ago. */
const leastIdleMs = 1_000;

/**
 * Takes the end of a transform's text that is not DuckDB's from its SELECT; null where it says none:
 *
 *     SELECT ... EMIT CHANGES | EMIT ON CLOSE [LATENESS 'interval'] [ALLOWED LATENESS 'interval'] [IDLE 'interval'] [SYNC]
 * @throws sql_syntax with the place
 */
export function readEmit(sql: string): { readonly query: string; readonly emit: Emit | null } {
  const at = lastEmit(sql);
  if (at === null) return { query: sql, emit: null };
  const words = new Words(sql, at);
  words.expect("EMIT");
  const when = words.take("CHANGES") ? "changes" : "close";
  if (when === "close") words.expect("ON", "CLOSE");
  const lateness = words.take("LATENESS") ? interval(sql, words) : null;
  const allowed = words.take("ALLOWED", "LATENESS") ? interval(sql, words) : null;
  const idleMs = words.take("IDLE") ? interval(sql, words, leastIdleMs) : null;
  const sync = words.take("SYNC");
  words.expectEnd();
  const allowedMs = allowed ?? (when === "close" ? 0 : null);
  return { query: sql.slice(0, at), emit: { when, latenessMs: lateness ?? 0, allowedMs, idleMs, sync } };
}

/** Where the clause begins: at the last EMIT CHANGES or EMIT ON CLOSE. A table of that name may be followed by ON, and not by CLOSE. */
function lastEmit(sql: string): number | null {
  const words = new Words(sql);
  let [emit, on]: [Word | null, Word | null] = [null, null];
  let found: number | null = null;
  for (let word = words.next(); word.kind !== "end"; word = words.next()) {
    if (emit !== null && (is(word, "CHANGES") || (on !== null && is(word, "CLOSE")))) found = emit.at;
    on = emit !== null && on === null && is(word, "ON") ? word : null;
    if (on === null) emit = is(word, "EMIT") ? word : null;
  }
  return found;
}

const is = ({ kind, said }: Word, wanted: string) => kind === "word" && said.toUpperCase() === wanted;

function interval(sql: string, words: Words, leastMs = 0): number {
  const word = words.peek();
  if (word.kind !== "text") words.fail("An interval in quotes, as '10 minutes', is expected");
  const ms = intervalMs(words.next().said);
  if (ms !== null && ms >= leastMs) return ms;
  throw new MillraceError(
    "sql_syntax",
    ms === null
      ? "An interval is said in weeks, days, hours, minutes, seconds or milliseconds."
      : `This interval is at least ${leastMs} milliseconds long.`,
    {
      position: positionAt(sql, word.at),
      hint: "As in LATENESS '1 minute 30 seconds'.",
    },
  );
}
