import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import type { ObjectStore } from "../../storage/index.ts";
import { type Finding, finding } from "./finding.ts";

const oldMs = 86_400_000;

/** What interrupted work has left behind: it does no harm, and takes room. */
export async function* leftoverFindings(
  parts: {
    readonly directory: string;
    readonly objects: string | null;
    readonly store: ObjectStore;
    readonly nowMs: number;
  },
  signal: AbortSignal,
): AsyncIterable<Finding> {
  const { directory, objects, store, nowMs } = parts;
  const places: readonly (readonly [string, string])[] = [
    [path.join(directory, "staging", "work"), "the next start empties it"],
    [path.join(directory, "staging", "pulled"), "the next pull empties it"],
    [path.join(directory, "engines"), "the next start empties it"],
    ...(objects === null ? [] : [[path.join(objects, ".tmp"), "delete its files while no server runs"] as const]),
  ];
  for (const [folder, whatNext] of places) {
    const { files, bytes } = await oldFiles(folder, nowMs);
    if (files > 0)
      yield finding(
        "leftovers",
        "note",
        `${folder} holds ${files} files of more than a day, ${bytes} bytes.`,
        `They belong to nothing: ${whatNext}.`,
      );
  }
  let blocks = 0;
  for await (const { modifiedMs } of store.list("replicas/", { signal })) if (nowMs - modifiedMs > oldMs) blocks++;
  if (blocks > 0)
    yield finding(
      "leftovers",
      "note",
      `${blocks} blocks wait for a pull that has not gone on for a day.`,
      "Run millrace pull again: it goes on, and clears them.",
    );
}

async function oldFiles(folder: string, nowMs: number): Promise<{ files: number; bytes: number }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  let files = 0;
  let bytes = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const found = await stat(path.join(entry.parentPath, entry.name)).catch(() => null);
    if (found === null || nowMs - found.mtimeMs < oldMs) continue;
    files++;
    bytes += found.size;
  }
  return { files, bytes };
}
