import path from "node:path";
import type { Disk, IdSource } from "../../base/index.ts";
import { receivedAt, type Waiting } from "../batching/dataset-writer.ts";
import type { BatchEntry } from "../convert/batch.ts";
import { headBytesOf } from "../formats/spec.ts";
import { Gather } from "../staging/gather.ts";
import type { StagingLog } from "../staging/log.ts";

/** The bodies of a batch as one file, and a place for the files that conversion makes. */
export interface BatchFiles {
  readonly workPath: string;
  readonly path: string;
  readonly headBytes: number;
  readonly entries: BatchEntry[];
  close(): Promise<void>;
}

/** Where bodies come from, and where files of a batch may be made. */
export interface BatchPlace {
  readonly log: StagingLog;
  readonly disk: Disk;
  readonly ids: IdSource;
  readonly workDirectory: string;
}

const lineFeed = 10;
const blockBytes = 1 << 16;
const writeBytes = 1 << 20;

/** A large body's own file as it lies, or the log's frames written one after another. */
export async function openBatch(
  waiting: readonly Waiting[],
  { log, disk, ids, workDirectory }: BatchPlace,
): Promise<BatchFiles> {
  const [first] = waiting;
  if (first === undefined) throw new Error("a batch of nothing");
  const workPath = path.join(workDirectory, ids.uuid());
  const { spool, headBytes } = first.entry.header;
  if (spool !== null) {
    const entries = [entryAt(first, headBytes)];
    return { workPath, path: log.spoolPath(spool), headBytes, entries, close: async () => {} };
  }
  const file = `${workPath}.bodies`;
  const entries = await writeBodies(waiting, { log, disk }, file, headBytesOf(first.format));
  // Left behind, it goes at the next start: a file that cannot be removed is no reason to commit its rows again.
  const close = () => disk.remove(file).catch(() => {});
  return { workPath, path: file, headBytes: headBytesOf(first.format), entries, close };
}

/** Between two bodies stands a line break, if the first does not end with one; nothing follows the last: Parquet ends with its footer. */
async function writeBodies(
  waiting: readonly Waiting[],
  { log, disk }: Pick<BatchPlace, "log" | "disk">,
  file: string,
  headBytes: number,
): Promise<BatchEntry[]> {
  await using bodies = await disk.open(file, "write");
  const entries: BatchEntry[] = [];
  const gathered = new Gather(blockBytes);
  let start = headBytes;
  let written = headBytes;
  const flush = async () => {
    const bytes = gathered.take();
    await bodies.write(bytes, written);
    written += bytes.length;
  };
  for (const [index, one] of waiting.entries()) {
    const body = await log.readBody(one.entry);
    entries.push(entryAt(one, start));
    const isLast = index === waiting.length - 1;
    const needsBreak = !isLast && body.length > 0 && body.at(-1) !== lineFeed;
    gathered.add(body);
    if (needsBreak) gathered.add(Buffer.of(lineFeed));
    start += body.length + (needsBreak ? 1 : 0);
    if (gathered.sizeBytes > writeBytes || isLast) await flush();
  }
  return entries;
}

function entryAt({ entry }: Waiting, start: number): BatchEntry {
  const { ingestId, bodyBytes, lines } = entry.header;
  return { ingestId, start, sizeBytes: bodyBytes, lines, receivedAt: receivedAt(entry), source: "", firstLine: 1 };
}
