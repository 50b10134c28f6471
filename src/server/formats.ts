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
  /** Keys of the object store and what lies under them: log, packs, layout, mirror. */
  objectStore: 1,
} as const;

const marker = z.object({ format: z.int().min(1) });
const folderFile = "format.json";
/** Beside `datasets/` and `definitions/`. */
const storeKey = "format.json";

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
  if (bytes !== null) return formatIn(new TextDecoder().decode(bytes), `The object ${storeKey}`);
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

/** Refuses a newer store, and says in an older or empty one what this version writes there. @throws unsupported_version */
export async function takeStore(store: ObjectStore, signal: AbortSignal): Promise<void> {
  const found = await storeFormat(store, signal);
  if (found !== null && found > formats.objectStore) throw newer("object store", "", found, formats.objectStore);
  if (found !== formats.objectStore)
    await store.put(storeKey, new TextEncoder().encode(`${JSON.stringify({ format: formats.objectStore })}\n`));
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
