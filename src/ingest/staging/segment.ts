import { type Disk, type DiskFile, MillraceError } from "../../base/index.ts";
import { decodeFrame, decodePrefix, prefixBytes } from "./frame.ts";
import type { StagedEntry } from "./log.ts";

const scanBytes = 1 << 20;
const magic = Buffer.from("MLE1");

/**
 * The entries of a segment. What follows the last whole frame was never synced, and so never acknowledged: it is ignored.
 * A whole frame *behind* broken bytes says that the disk has lost what was acknowledged, and that is told, not passed over.
 * @throws chain_broken
 */
export async function readSegment(disk: Disk, file: string, name: string, isLast: boolean): Promise<StagedEntry[]> {
  const entries: StagedEntry[] = [];
  await using handle = await disk.open(file, "read");
  const size = await handle.sizeBytes();
  let position = 0;
  while (position < size) {
    const entry = await readEntry(handle, name, position);
    if (entry === null) break;
    entries.push(entry);
    position = entry.place.position + frameBody(entry);
  }
  if (position < size && (await wholeFrameBehind(handle, name, position + 1, size))) {
    throw new MillraceError("chain_broken", "The staging log is damaged: bytes that were synced have changed.", {
      hint: `Keep a copy of ${file}; what stands before byte ${position} of it is whole. Move it away to start without it.`,
      data: { segment: name, position, isLast },
    });
  }
  return entries;
}

/** Bytes of the body inside the frame: none where it stands in a file of its own. */
function frameBody(entry: StagedEntry): number {
  return entry.header.spool === null ? entry.header.bodyBytes : 0;
}

async function readEntry(handle: DiskFile, segment: string, position: number): Promise<StagedEntry | null> {
  const prefix = decodePrefix(await handle.read(position, prefixBytes));
  if (prefix === null) return null;
  const bodyAt = position + prefixBytes + prefix.headerBytes;
  if (bodyAt + prefix.bodyBytes > (await handle.sizeBytes())) return null;
  const header = await handle.read(position + prefixBytes, prefix.headerBytes);
  const decoded = decodeFrame(prefix, header, await handle.read(bodyAt, prefix.bodyBytes));
  return decoded === null ? null : { header: decoded, place: { segment, position: bodyAt } };
}

async function wholeFrameBehind(handle: DiskFile, name: string, from: number, size: number): Promise<boolean> {
  for (let position = from; position < size; position += scanBytes - magic.length) {
    const chunk = Buffer.from(await handle.read(position, scanBytes));
    for (let at = chunk.indexOf(magic); at >= 0; at = chunk.indexOf(magic, at + 1)) {
      if ((await readEntry(handle, name, position + at)) !== null) return true;
    }
  }
  return false;
}
