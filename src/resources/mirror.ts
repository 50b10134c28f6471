import { z } from "zod";
import { MillraceError, Mutex } from "../base/index.ts";
import type { JSONValue, ObjectStore, Sql } from "../storage/index.ts";
import { saveProgress, selectChanges, selectProgress } from "./sql/mirror.ts";
import { countResources, deleteResource, upsertResource } from "./sql/resources.ts";

export const mirrorPrefix = "definitions/log/";
const key = (position: number) => `${mirrorPrefix}${String(position).padStart(12, "0")}.json`;
const batch = 500;

/** What an event of a change carries, and a mirror object holds. */
export const changeShape = z.object({
  id: z.string(),
  kind: z.string(),
  project: z.string(),
  name: z.string(),
  generation: z.number(),
  labels: z.record(z.string(), z.string()),
  spec: z.unknown(),
  createdAt: z.number(),
  updatedAt: z.number(),
  updatedBy: z.string(),
});
const mirrored = z.object({ type: z.enum(["resource.applied", "resource.deleted"]), change: changeShape });

/**
 * Copies changes from the events table into the object store, in their order. The progress is kept apart from the objects:
 * after a crash some are written once more, with the same bytes under the same names.
 */
export class Mirror {
  readonly #sql: Sql;
  readonly #store: ObjectStore;
  readonly #mutex = new Mutex();
  #position: number | null = null;

  constructor(sql: Sql, store: ObjectStore) {
    this.#sql = sql;
    this.#store = store;
  }

  /** Resolves when every change up to a position is in the object store. @throws unavailable where the store fails */
  async upTo(position: number): Promise<void> {
    if (this.#position !== null && this.#position >= position) return;
    try {
      await this.#mutex.run(() => this.#copy(position));
    } catch (cause) {
      throw new MillraceError(
        "unavailable",
        "The change was accepted, but the object store did not take its copy yet.",
        {
          hint: "It is copied with the next change or at the next start; nothing needs to be sent again.",
          cause,
        },
      );
    }
  }

  async #copy(position: number): Promise<void> {
    this.#position ??= Number((await selectProgress(this.#sql))[0]?.position ?? 0);
    while (this.#position < position) {
      const rows = await selectChanges(this.#sql, this.#position, batch);
      for (const row of rows) {
        const at = Number(row.position);
        const body = JSON.stringify({ type: row.type, change: changeShape.parse(row.data) });
        await this.#store.put(key(at), new TextEncoder().encode(body));
        this.#position = at;
      }
      if (rows.length > 0) await saveProgress(this.#sql, this.#position);
      if (rows.length < batch) return;
    }
  }
}

/**
 * Rebuilds the resources of an empty database from the mirror: each name as its last change left it.
 * @throws conflict where the database has resources
 */
export async function restoreDefinitions(options: {
  store: ObjectStore;
  sql: Sql;
  signal?: AbortSignal;
}): Promise<{ restored: number }> {
  const { store, sql, signal } = options;
  const [counted] = await countResources(sql);
  if (Number(counted?.count) > 0) {
    throw new MillraceError(
      "conflict",
      "The database has definitions already; they are restored into an empty one only.",
      {
        hint: "Point the setting `postgres` at an empty database, or move the data folder's postgres/ away.",
      },
    );
  }
  return await sql.begin(async (transaction) => {
    const alive = new Set<string>();
    for await (const { key: object } of store.list(mirrorPrefix, signal ? { signal } : {})) {
      const body = await store.get(object);
      if (body === null) continue;
      const { type, change } = mirrored.parse(JSON.parse(new TextDecoder().decode(body)));
      const name = `${change.kind}/${change.project}/${change.name}`;
      if (type === "resource.deleted") {
        await deleteResource(transaction, change.kind, change.project, change.name);
        alive.delete(name);
        continue;
      }
      // A name deleted and made again has another id: the row is made anew.
      if (!alive.has(name)) await deleteResource(transaction, change.kind, change.project, change.name);
      await upsertResource(transaction, {
        ...change,
        spec: json.parse(change.spec),
        createdAt: new Date(change.createdAt),
        updatedAt: new Date(change.updatedAt),
      });
      alive.add(name);
    }
    return { restored: alive.size };
  });
}

const json: z.ZodType<JSONValue> = z.json();
