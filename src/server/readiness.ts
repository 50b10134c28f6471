import { abortable, type Clock, deadlineSignal, MillraceError } from "../base/index.ts";
import type { EnginePool } from "../engines/index.ts";
import type { Sql } from "../storage/index.ts";

const answerMs = 1_000;

/** What a ready server needs. Anyone may ask: however many do, PostgreSQL is asked one question at a time. */
export function readiness(parts: {
  readonly sql: Sql;
  readonly engines: EnginePool;
  readonly clock: Clock;
}): () => Promise<Readonly<Record<string, boolean>>> {
  const { sql, engines, clock } = parts;
  let asked: Promise<boolean> | null = null;
  const ask = () => {
    asked ??= sql`SELECT 1`
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        asked = null;
      });
    return asked;
  };
  return async () => ({
    postgres: await inTime(ask(), clock),
    engines: engines.status().workers.some((worker) => worker.state !== "starting"),
  });
}

/** No answer in time is a no: a connection that is being made anew may take long. */
async function inTime(answer: Promise<boolean>, clock: Clock): Promise<boolean> {
  const late = () => new MillraceError("unavailable", "PostgreSQL does not answer.");
  using deadline = deadlineSignal(clock, answerMs, late);
  return await abortable(answer, deadline.signal).catch(() => false);
}
