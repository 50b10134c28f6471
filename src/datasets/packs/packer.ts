import type { DatasetLog } from "../chain/log.ts";
import { brokenObject, type StoredBlock } from "../chain/stored-block.ts";
import { encodePack } from "./format.ts";
import { advance, type Milestone, start } from "./milestone.ts";

/** Objects deleted at once. */
const deletedAtOnce = 16;

export interface PackReport {
  /** Packs made. */
  readonly packs: number;
  /** Objects that a pack holds now, deleted. */
  readonly deleted: number;
}

/**
 * Packs every region that is complete, in order, at most `mostPacks` of them, then deletes what packs hold:
 *
 *   read the region ▸ pack if absent = the floor rises ▸ read the pack back ▸ delete each block, then its log entry
 *
 * Cut off anywhere, it is finished by whoever does it next: entries below the floor tell what is left to delete. Of racing
 * packers one makes the pack, and all make the same one.
 * @throws chain_broken where the region cannot be read, and nothing was deleted of it
 */
export async function packComplete(
  log: DatasetLog,
  newest: number,
  mostPacks: number,
  signal: AbortSignal,
): Promise<PackReport> {
  let packs = 0;
  await log.findFloor(signal);
  while (log.floor + log.packBlocks <= newest + 1 && packs < mostPacks) {
    signal.throwIfAborted();
    await packRegion(log, log.region(log.floor), signal);
    packs++;
  }
  return { packs, deleted: await deletePacked(log, signal) };
}

async function packRegion(log: DatasetLog, region: number, signal: AbortSignal): Promise<void> {
  const base = await baseOf(log, region, signal);
  const first = region * log.packBlocks;
  const blocks: Uint8Array[] = [];
  let end = base;
  for await (const stored of log.read(first, first + log.packBlocks - 1, signal)) {
    checkLink(log, end, stored);
    end = advance(end, stored.hash, stored.block);
    blocks.push(stored.bytes);
  }
  // Whoever has made it meanwhile has made the same.
  await log.store.putIfAbsent(log.keys.pack(region), encodePack(base, blocks));
  await log.isPacked(region);
}

/** What the packs before a region come to. */
async function baseOf(log: DatasetLog, region: number, signal: AbortSignal): Promise<Milestone> {
  if (region === 0) return start;
  const before = await log.packs.read(region - 1, signal);
  let end = before.header.base;
  for (let seq = (region - 1) * log.packBlocks; seq < region * log.packBlocks; seq++) {
    const stored = before.at(seq);
    if (stored !== null) end = advance(end, stored.hash, stored.block);
  }
  return end;
}

/** A broken chain stays as it is: a pack would make the damage the truth. */
function checkLink(log: DatasetLog, before: Milestone, { seq, hash, block }: StoredBlock): void {
  if (block.prevBlockHash !== before.head || block.sequenceNumber !== seq || seq !== before.seq + 1)
    throw brokenObject(log.keys.block(hash), "it does not follow the block before it");
}

/** A crash leaves some, which are found again by their log entries: each goes behind its block. */
async function deletePacked(log: DatasetLog, signal: AbortSignal): Promise<number> {
  let deleted = 0;
  let below: number[] = [];
  const flush = async () => {
    await Promise.all(below.map((seq) => deleteBlock(log, seq)));
    deleted += below.length;
    below = [];
  };
  let settled = -1;
  for await (const { key } of log.store.list(log.keys.logFolder, { signal })) {
    const seq = log.keys.seqOf(key);
    if (seq === null) continue;
    if (seq >= log.floor) break;
    if (log.region(seq) > settled) {
      settled = log.region(seq);
      if (!(await log.store.settle(log.keys.pack(settled))))
        throw brokenObject(log.keys.pack(settled), "it is missing");
    }
    below.push(seq);
    if (below.length >= deletedAtOnce) await flush();
  }
  await flush();
  return deleted;
}

/** The pack that is read tells the hash: what cannot be read back is not deleted. */
async function deleteBlock(log: DatasetLog, seq: number): Promise<void> {
  const hash = (await log.packs.read(log.region(seq))).hashAt(seq);
  if (hash === null) return;
  await log.store.delete(log.keys.block(hash));
  await log.store.delete(log.keys.log(seq));
}
