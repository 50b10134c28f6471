import { readFile, stat, statfs } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import type { Disk, MillraceError } from "../../base/index.ts";
import { lookAtStaging } from "../../ingest/index.ts";
import { folderFormat, formats } from "../formats.ts";
import { counted, type Finding, failed, finding } from "./finding.ts";

const leastFreeBytes = 200e6;
const fewFreeBytes = 2e9;

/** The server's own folder: its format, what must not be lost of it, and what was acknowledged in it. */
export async function* folderFindings(directory: string, disk: Disk, isServed: boolean): AsyncIterable<Finding> {
  yield await formatFinding(directory);
  yield await keyFinding(directory);
  yield await stagingFinding(directory, disk, isServed);
}

async function formatFinding(directory: string): Promise<Finding> {
  const check = "data folder";
  const found = await folderFormat(directory);
  if (found === null)
    return finding(check, "note", `${directory} was not used by a server yet.`, "`millrace up` does.");
  const older = found < formats.dataFolder ? "; the next start brings it to this version's" : "";
  return finding(check, "ok", `${directory} has format ${found}${older}.`);
}

async function keyFinding(directory: string): Promise<Finding> {
  const check = "keys";
  const file = path.join(directory, "master.key");
  const found = await stat(file).catch(() => null);
  const used = (await stat(path.join(directory, "owner.token")).catch(() => null)) !== null;
  if (found === null) {
    return used
      ? finding(
          check,
          "problem",
          "master.key is gone: sealed secrets cannot be opened.",
          `Put ${file} back from a copy, or set each secret anew.`,
        )
      : finding(check, "note", "There is no master.key yet.");
  }
  if ((found.mode & 0o077) !== 0)
    return finding(check, "warning", "master.key can be read by others.", `chmod 600 ${file}`);
  return finding(
    check,
    "ok",
    "master.key is there, for its owner alone. Keep a copy elsewhere: nothing can rebuild it.",
  );
}

async function stagingFinding(directory: string, disk: Disk, isServed: boolean): Promise<Finding> {
  const check = "staging log";
  if (isServed) return finding(check, "skipped", "A server is writing it.");
  try {
    const { requests, bytes, datasets } = await lookAtStaging(disk, path.join(directory, "staging"));
    if (requests === 0) return finding(check, "ok", "Nothing waits for its commit.");
    const shown = datasets.slice(0, 5).join(", ");
    const text = `Acknowledged and not committed: ${counted(requests, "request")} (${bytes} bytes), of ${shown}.`;
    return finding(check, "note", text, "`millrace up` commits them. Do not delete this folder before.");
  } catch (error) {
    return failed(check, error);
  }
}

/** Room on the disks that are written to. */
export async function* spaceFindings(folders: readonly string[]): AsyncIterable<Finding> {
  for (const folder of new Set(folders)) {
    const check = "disk space";
    const found = await statfs(folder).catch(() => null);
    if (found === null) continue;
    const freeBytes = found.bavail * found.bsize;
    const share = found.blocks === 0 ? 1 : found.bavail / found.blocks;
    const text = `${folder} has ${(freeBytes / 1e9).toFixed(1)} GB free (${Math.round(share * 100)}%).`;
    if (freeBytes < leastFreeBytes)
      yield finding(check, "problem", text, "Free some: pushes are refused on a full disk.");
    else if (freeBytes < fewFreeBytes) yield finding(check, "warning", text, "Free some soon.");
    else yield finding(check, "ok", text);
  }
}

/** Whether a server that says that it runs here answers. */
export async function serverFinding(directory: string, holder: MillraceError | null): Promise<Finding> {
  const check = "server";
  if (holder === null)
    return finding(check, "note", "No server runs on the folder: all of it was looked at from outside.");
  const text = await readFile(path.join(directory, "server.json"), "utf8").catch(() => "{}");
  const url = announced(text);
  if (url === null) return finding(check, "warning", "A server is starting on the folder, or hangs while it starts.");
  try {
    const reply = await fetch(new URL("/readyz", url), { signal: AbortSignal.timeout(5_000) });
    const said = await reply.text();
    return reply.ok
      ? finding(check, "ok", `The server at ${url} is ready.`)
      : finding(
          check,
          "problem",
          `The server at ${url} is not ready: ${said.slice(0, 300)}`,
          "Its log tells why: log/server.log.",
        );
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return finding(
      check,
      "problem",
      `The server at ${url} does not answer: ${why}.`,
      "Look at its log, and start it again.",
    );
  }
}

function announced(text: string): string | null {
  try {
    return z.object({ url: z.string() }).parse(JSON.parse(text)).url;
  } catch {
    return null;
  }
}
