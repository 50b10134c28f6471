import type { ObjectStore, Sql } from "../storage/index.ts";
import { same } from "./difference.ts";
import { addressOf } from "./kind.ts";
import { mirrorPosition, mirrorPrefix } from "./mirror.ts";
import type { Definition } from "./resource.ts";
import { readChange } from "./restore.ts";
import { selectProgress } from "./sql/mirror.ts";
import { selectWhole } from "./sql/resources.ts";

export interface MirrorComparison {
  /** Changes that the mirror holds, and the position of the last one. */
  readonly changes: number;
  readonly last: number;
  /** Names that are declared, by the mirror. */
  readonly declared: number;
  /** What the database has, where there was one to ask. */
  readonly database: {
    /** Up to which position it knows that the mirror holds its changes. */
    readonly progress: number;
    readonly declared: number;
    /** Changes that wait for their copy. */
    readonly waiting: number;
    /** Addresses that the two do not tell alike, and no waiting change explains. */
    readonly different: readonly string[];
  } | null;
}

const readAtOnce = 32;

/** Reads the mirror to its end, and holds the database's definitions against it. @throws unsupported_version */
export async function compareMirror(
  store: ObjectStore,
  sql: Sql | null,
  signal: AbortSignal,
): Promise<MirrorComparison> {
  const ends = new Map<string, Definition>();
  let changes = 0;
  let last = 0;
  let keys: string[] = [];
  const take = async () => {
    const read = await Promise.all(keys.map((key) => readChange(store, key, { signal })));
    keys = [];
    for (const { type, change } of read) {
      if (type === "resource.applied") ends.set(addressOf(change), change);
      else ends.delete(addressOf(change));
    }
  };
  for await (const { key } of store.list(mirrorPrefix, { signal })) {
    if (!Number.isSafeInteger(mirrorPosition(key))) continue; // nothing of ours
    changes++;
    last = mirrorPosition(key);
    if (keys.push(key) >= readAtOnce) await take();
  }
  await take();
  return { changes, last, declared: ends.size, database: sql === null ? null : await compared(sql, ends) };
}

async function compared(sql: Sql, mirrored: ReadonlyMap<string, Definition>) {
  const [progress] = await selectProgress(sql);
  const rows = await selectWhole(sql);
  const waiting = new Set(
    (await sql<{ address: string }[]>`SELECT address FROM resource_changes`).map((row) => row.address),
  );
  const here = new Map(rows.map((row) => [row.address, row]));
  const addresses = new Set([...mirrored.keys(), ...here.keys()]);
  const different = [...addresses].filter((address) => {
    const [row, copy] = [here.get(address), mirrored.get(address)];
    if (waiting.has(address)) return false;
    return row === undefined || copy === undefined || row.id !== copy.id || !same(row.spec, copy.spec);
  });
  return { progress: Number(progress?.position ?? 0), declared: rows.length, waiting: waiting.size, different };
}
