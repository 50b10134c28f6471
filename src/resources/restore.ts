import { z } from "zod";
import { formatInstant, instant, MillraceError } from "../base/index.ts";
import type { ObjectStore, Sql, Statements } from "../storage/index.ts";
import { addressOf } from "./kind.ts";
import { mirrorPosition, mirrorPrefix } from "./mirror.ts";
import { type Definition, definitionShape } from "./resource.ts";
import { saveProgress } from "./sql/mirror.ts";
import {
  continueAfter,
  countResources,
  deleteAddresses,
  deleteEverything,
  idleAsLongAsItTakes,
  lockResources,
  writeDefinitions,
} from "./sql/restore.ts";

const mirrored = z.object({
  version: z.literal(1),
  type: z.enum(["resource.applied", "resource.deleted"]),
  change: definitionShape,
});

const batch = 64;

/**
 * Rebuilds the definitions of a database from the mirror, in one transaction: each name as its last change left it, with
 * its id, generation, labels, spec and times; without its status, which machines write anew. Events go on behind the
 * mirror's last position. Run it while no server uses the database.
 * @param replace drops what the database holds; otherwise it must hold no definitions.
 * @throws conflict where it holds some, unsupported_version on an object of a newer version
 */
export async function restoreDefinitions(options: {
  store: ObjectStore;
  sql: Sql;
  replace?: boolean;
  signal?: AbortSignal;
}): Promise<{ restored: number }> {
  return await options.sql.begin(async (transaction) => {
    await idleAsLongAsItTakes(transaction);
    await lockResources(transaction);
    if (Number((await countResources(transaction))[0]?.count) > 0 && options.replace !== true) {
      throw new MillraceError("conflict", "The database has definitions already.", {
        hint: "Definitions are restored into an empty database. To drop what it holds: `restore-definitions --replace`.",
      });
    }
    await deleteEverything(transaction);
    const last = await replay(transaction, options.store, options.signal);
    if (last > 0) {
      await continueAfter(transaction, last);
      await saveProgress(transaction, last);
    }
    return { restored: Number((await countResources(transaction))[0]?.count) };
  });
}

/** @returns the position of the last object, or 0 */
async function replay(transaction: Statements, store: ObjectStore, signal: AbortSignal | undefined): Promise<number> {
  const abort = signal === undefined ? {} : { signal };
  let last = 0;
  let keys: string[] = [];
  const flush = async () => {
    const changes = await Promise.all(keys.map((key) => readChange(store, key, abort)));
    keys = [];
    const ends = new Map(changes.map((change) => [addressOf(change.change), change]));
    const gone = [...ends.values()].filter((end) => end.type === "resource.deleted");
    const there = [...ends.values()].filter((end) => end.type === "resource.applied");
    if (gone.length > 0)
      await deleteAddresses(
        transaction,
        gone.map((end) => addressOf(end.change)),
      );
    if (there.length > 0)
      await writeDefinitions(
        transaction,
        there.map((end) => rowOf(end.change)),
      );
  };
  for await (const { key } of store.list(mirrorPrefix, abort)) {
    const position = mirrorPosition(key);
    if (!Number.isSafeInteger(position)) continue; // nothing of ours
    last = position;
    keys.push(key);
    if (keys.length >= batch) await flush();
  }
  await flush();
  return last;
}

export async function readChange(store: ObjectStore, key: string, abort: { signal?: AbortSignal }) {
  const body = await store.get(key, abort);
  try {
    return mirrored.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body ?? new Uint8Array())));
  } catch (cause) {
    throw new MillraceError("unsupported_version", `The mirrored change ${key} cannot be read by this version.`, {
      hint: "Was it written by a newer Millrace? Nothing was restored.",
      cause,
    });
  }
}

function rowOf(change: Definition) {
  const { createdAt, updatedAt, updatedBy, ...same } = change;
  return {
    ...same,
    created_at: formatInstant(instant(createdAt)),
    updated_at: formatInstant(instant(updatedAt)),
    updated_by: updatedBy,
  };
}
