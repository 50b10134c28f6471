import { MillraceError, type Random } from "../../base/index.ts";
import type { ObjectStore } from "./object-store.ts";

const racers = 16;
const rounds = 4;
/** Larger bodies take longer to write, which leaves a race more time to go wrong. */
const bodyBytes = [64, 100_000] as const;

/**
 * Proves that a store keeps what commits stand on, before anything is trusted to it: a write is seen at once, create-if-absent
 * refuses a key that is taken, and of many who create one key at the same moment one wins and its bytes stand. Some
 * stores answer as if they did and let several win.
 * @throws unsafe_store, the store's errors
 */
export async function probeStore(store: ObjectStore, random: Random): Promise<void> {
  const folder = `probe/${Buffer.from(random.bytes(12)).toString("hex")}`;
  const keys = ["alone", ...Array.from({ length: rounds }, (_, round) => `race-${round}`)].map(
    (key) => `${folder}/${key}`,
  );
  try {
    const [alone = "", ...raced] = keys;
    await probeAlone(store, folder, alone);
    for (const [round, key] of raced.entries()) await probeRace(store, key, bodyBytes[round % bodyBytes.length] ?? 64);
  } catch (error) {
    throw asRefusal(error);
  } finally {
    await Promise.allSettled(keys.map((key) => store.delete(key)));
  }
}

async function probeAlone(store: ObjectStore, folder: string, key: string): Promise<void> {
  const [first, second] = [Buffer.from("first"), Buffer.from("second")];
  if ((await store.putIfAbsent(key, first)) !== "created") throw refusal("it says that a new key is taken");
  if ((await store.putIfAbsent(key, second)) !== "exists")
    throw refusal("it writes over a key that is taken, though asked to create it only if it is absent");
  if (!first.equals((await store.get(key)) ?? new Uint8Array())) throw refusal("a write is not seen by the next read");
  const listed = await Array.fromAsync(store.list(`${folder}/`));
  if (listed.map((found) => found.key).join() !== key) throw refusal("a write is not seen by the next listing");
}

async function probeRace(store: ObjectStore, key: string, sizeBytes: number): Promise<void> {
  const bodies = Array.from({ length: racers }, (_, racer) => Buffer.alloc(sizeBytes, `${racer};`));
  const raced = await Promise.allSettled(bodies.map((body) => store.putIfAbsent(key, body)));
  for (const outcome of raced) if (outcome.status === "rejected") throw outcome.reason;
  const winners = bodies.filter((_, racer) => {
    const outcome = raced[racer];
    return outcome?.status === "fulfilled" && outcome.value === "created";
  });
  const [winner] = winners;
  if (winner === undefined || winners.length > 1)
    throw refusal(
      `of ${racers} writers who created one key at the same moment, ${winners.length} were told that they did`,
    );
  if (!winner.equals((await store.get(key)) ?? new Uint8Array()))
    throw refusal(
      "of writers who created one key at the same moment, one was told that it did and another's bytes stand",
    );
}

/** A store that is away, refuses or is full is told as such; one that ends no race is not safe. */
function asRefusal(error: unknown): unknown {
  const endless = error instanceof MillraceError && error.data?.reason === "conflict";
  return endless
    ? refusal("it answers each of several writers of one key that another is writing it, without end")
    : error;
}

function refusal(reason: string): MillraceError {
  return new MillraceError("unsafe_store", `The object store cannot keep commits apart: ${reason}.`, {
    hint: "Use a store whose conditional writes (If-None-Match: *) hold among racing writers, or file:FOLDER.",
    data: { reason },
  });
}
