import { MillraceError } from "../../../src/base/index.ts";
import type { Server } from "../world/server.ts";
import { type Machine, message, type World } from "../world/world.ts";
import { type Model, Violation } from "./model.ts";

/** No answer came: the client does not know. */
export class Unanswered extends Error {}

/** What all clients of a world share. */
export interface Scene {
  readonly world: World;
  readonly model: Model;
  /** Set when nothing new is to begin. */
  isOver: boolean;
  /** Names of datasets that clients use. */
  readonly paths: string[];
}

/** Asks a server as over a network: it may be away, or not answer in time. */
export function ask<Result>(
  { world }: Scene,
  machine: Machine,
  patienceMs: number,
  work: (server: Server, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { scheduler } = world;
  const { server, actor } = machine;
  if (server === null || !machine.isReady) return Promise.reject(new Unanswered("the connection is refused"));
  const gone = new AbortController();
  return new Promise((resolve, reject) => {
    const forget = scheduler.after(patienceMs, null, () => {
      reject(new Unanswered("no answer in time"));
      // The server notices, if it runs.
      scheduler.after(1, actor, () => gone.abort(new MillraceError("query_cancelled", "The client is gone.")));
    });
    work(server, gone.signal)
      .then(resolve, reject)
      .finally(() => forget());
  });
}

/** Notes what a client did and what came of it; what breaks a promise goes through. */
export async function noted<Result>(
  { world }: Scene,
  client: string,
  what: string,
  work: () => Promise<Result>,
  outcome: (result: Result) => string = () => "done",
): Promise<Result | null> {
  try {
    const result = await work();
    world.trace.note(client, what, outcome(result));
    return result;
  } catch (error) {
    world.trace.note(client, what, message(error));
    if (error instanceof Violation || (error instanceof MillraceError && error.code === "internal")) throw error;
    if (error instanceof MillraceError && error.code === "chain_broken")
      throw new Violation(`a client was told that a chain is broken: ${error.message}`);
    if (error instanceof MillraceError || error instanceof Unanswered || isOfTheSystem(error)) return null;
    throw error;
  }
}

/** What disk and database throw passes the rooms' doors as it is; `gateway/` makes an answer of it. */
function isOfTheSystem(error: unknown): boolean {
  return error instanceof Error && "code" in error;
}
