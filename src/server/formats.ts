import { open, readFile, rename } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { MillraceError } from "../base/index.ts";
import type { ObjectStore } from "../storage/index.ts";

/**
 * Versions of what is kept, apart from the program's own. A number goes up when an older program would read what is kept
 * wrongly, or write what a newer one cannot read; 0 stands for what was written before formats were numbered. Besides these,
 * blocks and mirrored definitions carry their versions in themselves, and PostgreSQL has its list of migrations.
 */
export const formats = {
  /** The server's own folder: staging log, keys, first token. */
  dataFolder: 1,
  /**
   * Keys of the object store and what lies under them: log, packs, layout, mirror. 2: blocks in packs, copies in the place of
   * originals, and expired rows, which programs of format 1 may take for a chain's end or for loss.
   */
  objectStore: 2,
} as const;

const marker = z.object({ format: z.int().min(1) });
const folderFile = "format.json";
/** Beside `datasets/` and `definitions/`. */
const storeKey = "format.json";
const storeObject = `The object ${storeKey}`;

/** Of a folder that a server has used; 0 before formats were numbered, null where there is none. @throws unsupported_version */
export async function folderFormat(directory: string): Promise<number | null> {
  const text = await readFile(path.join(directory, folderFile), "utf8").catch(() => null);
  if (text !== null) return formatIn(text, `The file ${path.join(directory, folderFile)}`);
  const used = await readFile(path.join(directory, "owner.token"), "utf8").catch(() => null);
  return used === null ? null : 0;
}

/** Of a store; 0 before formats were numbered, null where it is empty. @throws unsupported_version, the store's errors */
export async function storeFormat(store: ObjectStore, signal?: AbortSignal): Promise<number | null> {
  const bytes = await store.get(storeKey, signal ? { signal } : {});
  if (bytes !== null) return formatIn(new TextDecoder().decode(bytes), storeObject);
  for (const prefix of ["datasets/", "definitions/"])
    for await (const _ of store.list(prefix, { limit: 1, ...(signal ? { signal } : {}) })) return 0;
  return null;
}

/** Nothing of a newer folder is read or written. @throws unsupported_version */
export async function checkFolderFormat(directory: string): Promise<void> {
  const found = await folderFormat(directory);
  if (found !== null && found > formats.dataFolder) throw newer("data folder", directory, found, formats.dataFolder);
}

/** Says in the folder what this version writes there. Call it after the check, before anything else is written. */
export async function markFolder(directory: string): Promise<void> {
  if ((await folderFormat(directory)) === formats.dataFolder) return;
  const file = path.join(directory, folderFile);
  {
    await using handle = await open(`${file}.new`, "w", 0o644);
    await handle.writeFile(`${JSON.stringify({ format: formats.dataFolder })}\n`);
    await handle.sync();
  }
  await rename(`${file}.new`, file);
  await using folder = await open(directory, "r");
  await folder.sync();
}

/**
 * Refuses a newer store, and says in an older or empty one what this version writes there: before anything else is written, so
 * that who looks at the number behind its own write knows whether a newer version may have done something with it.
 * @throws unsupported_version
 */
export async function takeStore(store: ObjectStore, signal?: AbortSignal): Promise<void> {
  await raise(store, await storeFormat(store, signal), signal);
}

/**
 * Whether no newer version has taken the store since. Where one that started at the same moment has put a lower number over
 * ours, ours is put back. @throws unsupported_version, the store's errors
 */
export async function checkStoreFormat(store: ObjectStore, signal?: AbortSignal): Promise<void> {
  const bytes = await store.get(storeKey, signal ? { signal } : {});
  await raise(store, bytes === null ? null : formatIn(new TextDecoder().decode(bytes), storeObject), signal);
}

async function raise(store: ObjectStore, found: number | null, signal?: AbortSignal): Promise<void> {
  const ours = formats.objectStore;
  if (found === ours) return;
  if (found !== null && found > ours) throw newer("object store", "", found, ours);
  const bytes = new TextEncoder().encode(`${JSON.stringify({ format: ours })}\n`);
  // Where none was there, another version may be putting its own just now: the greater one must stay.
  if (found !== null && found > 0) await store.put(storeKey, bytes);
  else if ((await store.putIfAbsent(storeKey, bytes)) === "exists") await takeStore(store, signal);
}

function formatIn(text: string, what: string): number {
  try {
    return marker.parse(JSON.parse(text)).format;
  } catch (cause) {
    throw new MillraceError("unsupported_version", `${what} does not say which format it is of.`, {
      hint: "Was it written by a newer Millrace? Run that version or a later one. Nothing was changed.",
      cause,
    });
  }
}

function newer(what: string, where: string, found: number, known: number): MillraceError {
  const place = where === "" ? "" : ` ${where}`;
  return new MillraceError(
    "unsupported_version",
    `The ${what}${place} has format ${found}, and this version reads up to ${known}.`,
    {
      hint: "A newer Millrace has used it: run that version or a later one. Nothing was changed.",
      data: { found, known },
    },
  );
}
