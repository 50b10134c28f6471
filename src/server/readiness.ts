import { abortable, type Clock, deadlineSignal, MillraceError } from "../base/index.ts";
import type { EnginePool } from "../engines/index.ts";
import type { ObjectStore, Sql } from "../storage/index.ts";

const answerMs = 1_000;

/** A key that is never written: a store that says so answers. */
const nothing = "probe/nothing";

/** What a ready server needs. Anyone may ask: however many do, PostgreSQL and the store are asked one question at a time. */
export function readiness(parts: {
  readonly sql: Sql;
  readonly engines: EnginePool;
  /** The object store, where it is reached over a network. */
  readonly remote: ObjectStore | null;
  readonly clock: Clock;
}): () => Promise<Readonly<Record<string, boolean>>> {
  const { sql, engines, remote, clock } = parts;
  const postgres = oneAtATime(() => sql`SELECT 1`);
  const objects = remote === null ? null : oneAtATime(() => remote.stat(nothing));
  return async () => {
    const [hasPostgres, hasObjects] = await Promise.all([
      inTime(postgres(), clock),
      objects === null ? null : inTime(objects(), clock),
    ]);
    return {
      postgres: hasPostgres,
      engines: engines.status().workers.some((worker) => worker.state !== "starting"),
      ...(hasObjects === null ? {} : { objects: hasObjects }),
    };
  };
}

/** Those who ask while a question is open wait for its answer. */
function oneAtATime(ask: () => PromiseLike<unknown>): () => Promise<boolean> {
  let asked: Promise<boolean> | null = null;
  return () => {
    asked ??= Promise.try(ask)
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        asked = null;
      });
    return asked;
  };
}

/** No answer in time is a no: a connection that is being made anew may take long. */
async function inTime(answer: Promise<boolean>, clock: Clock): Promise<boolean> {
  const late = () => new MillraceError("unavailable", "No answer in time.");
  using deadline = deadlineSignal(clock, answerMs, late);
  return await abortable(answer, deadline.signal).catch(() => false);
}
