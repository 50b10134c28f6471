import { type Disk, type DiskFile, MillraceError } from "../../base/index.ts";
import { decodeFrame, decodePrefix, prefixBytes } from "./frame.ts";
import type { StagedEntry } from "./log.ts";

const scanBytes = 1 << 20;
const magic = Buffer.from("MLE1");

/**
 * The entries of a segment. What follows the last whole frame was never synced, and so never acknowledged: it is ignored.
 * So are broken bytes before a whole frame of the same group, for the pages of one write reach the disk in any order. A
 * frame that was written when the broken bytes *had been* synced says that the disk has lost what was acknowledged, and
 * that is told, not passed over. @throws chain_broken
 */
export async function readSegment(disk: Disk, file: string, name: string, seal: number): Promise<StagedEntry[]> {
  const entries: StagedEntry[] = [];
  await using handle = await disk.open(file, "read");
  const segment: OpenedSegment = { handle, name, seal, size: await handle.sizeBytes() };
  let position = 0;
  while (position < segment.size) {
    const found = (await readEntry(segment, position)) ?? (await nextEntry(segment, position + 1));
    if (found === null) break;
    if (found.start > position && found.entry.header.syncedBytes > position) throw damaged(file, name, position);
    entries.push(found.entry);
    position = found.end;
  }
  return entries;
}

interface OpenedSegment {
  readonly handle: DiskFile;
  readonly name: string;
  readonly seal: number;
  readonly size: number;
}

function damaged(file: string, segment: string, position: number): MillraceError {
  return new MillraceError("chain_broken", "The staging log is damaged: bytes that were synced have changed.", {
    hint: `Keep a copy of ${file}; what stands before byte ${position} of it is whole. Move it away to start without it.`,
    data: { segment, position },
  });
}

interface Found {
  readonly entry: StagedEntry;
  readonly start: number;
  readonly end: number;
}

async function readEntry({ handle, name, seal, size }: OpenedSegment, position: number): Promise<Found | null> {
  const prefix = decodePrefix(await handle.read(position, prefixBytes));
  if (prefix === null) return null;
  const bodyAt = position + prefixBytes + prefix.headerBytes;
  if (bodyAt + prefix.bodyBytes > size) return null;
  const header = await handle.read(position + prefixBytes, prefix.headerBytes);
  const decoded = decodeFrame(prefix, header, await handle.read(bodyAt, prefix.bodyBytes), seal);
  if (decoded === null) return null;
  return {
    start: position,
    end: bodyAt + prefix.bodyBytes,
    entry: { header: decoded, place: { segment: name, position: bodyAt } },
  };
}

/** The first whole frame at or behind a position. */
async function nextEntry(segment: OpenedSegment, from: number): Promise<Found | null> {
  for (let position = from; position < segment.size; position += scanBytes - magic.length) {
    const chunk = Buffer.from(await segment.handle.read(position, scanBytes));
    for (let at = chunk.indexOf(magic); at >= 0; at = chunk.indexOf(magic, at + 1)) {
      const found = await readEntry(segment, position + at);
      if (found !== null) return found;
    }
  }
  return null;
}
