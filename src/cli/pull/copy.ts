import { MillraceError } from "../../base/index.ts";
import { decodeBlock } from "../../datasets/index.ts";
import { sha3Multihash } from "../../slices/index.ts";
import { HashList } from "./hash-list.ts";
import { bringObjects, type Transport } from "./objects.ts";
import type { Origin } from "./origin.ts";
import { patiently } from "./retries.ts";
import { StandIns } from "./stand-ins.ts";

/** Blocks that are committed by one request. */
const blocksAtOnce = 64;
/** Blocks that are kept with the copy at once; an interruption loses at most as many. */
const keptBlocks = 100;
const keptBytes = 4 << 20;
/** Times that a copy is begun from a newer head, because a region was compacted that reaches behind the one before. */
const mostWalks = 5;
/** A chain of more blocks is not begun: 128 MB of hashes are held in memory. */
const mostBlocks = 4_000_000;

export interface Copying extends Transport {
  readonly originUrl: string;
  /** Whether rows that are here may go where they have expired at the origin, and it cannot go on otherwise. */
  readonly dropExpired: boolean;
}

export interface Copied {
  readonly seq: number;
  readonly head: string;
  readonly blocks: number;
  readonly objects: number;
  readonly bytes: number;
  /** The origin's head is an older block of the copy: a stale answer, or it was put back. */
  readonly originIsBehind: boolean;
}

/**
 * Brings the copy up to the origin's newest block: back from the head to what the copy has, then forward, objects before the
 * block that names them. The copy proves all of it; what this process has seen decides nothing.
 * @throws replica_refused, replica_diverged, and what the origin or the copy answer
 */
export async function copyOnce(job: Copying): Promise<Copied> {
  for (let walks = 1; ; walks++) {
    try {
      return await copyUp(job);
    } catch (error) {
      // What stands for the last slices reaches further than the head that was walked back from: the origin has grown since.
      const reachesFurther = error instanceof MillraceError && typeof error.data?.wanted === "string";
      if (!reachesFurther || walks === mostWalks) throw error;
    }
  }
}

async function copyUp(job: Copying): Promise<Copied> {
  const { origin, replica, signal } = job;
  const head = await patiently(signal, () => origin.head(signal));
  const before = await replica.state();
  const counts = { blocks: 0, objects: 0, bytes: 0 };
  if (before?.head === head) return { ...before, ...counts, originIsBehind: false };
  const back = await walkBack(job, head, before);
  if (back === "behind" && before !== null) return { ...before, ...counts, originIsBehind: true };
  if (back === "behind") throw new Error("nothing is behind a copy that was not begun");
  let { seq, head: reached } = before ?? (await begin(job, back));
  for (let at = 0; at < back.length; at += blocksAtOnce) {
    const window = back.fromOldest(at, blocksAtOnce);
    const done = await advance(job, window);
    counts.objects += done.objects;
    counts.bytes += done.bytes;
    counts.blocks += done.seq - seq;
    job.progress.addBlocks(done.seq - seq);
    [seq, reached] = [done.seq, done.head];
  }
  await replica.clear();
  return { seq, head: reached, ...counts, originIsBehind: false };
}

/** What the copy lacks; `behind` where it lacks nothing. */
async function walkBack(
  job: Copying,
  head: string,
  copy: { readonly seq: number } | null,
): Promise<HashList | "behind"> {
  const { replica } = job;
  const lacking = new HashList();
  for (let from = head; ; ) {
    const { blocks, missing } = await replica.walk(from);
    for (const { hash } of blocks) lacking.push(hash);
    if (lacking.length > mostBlocks) throw tooManyBlocks();
    if (missing === null) return lacking;
    const older = await fetchBack(job, missing, copy);
    if (older !== null) {
      const isOurs = (await replica.committed(older.seq)) === older.hash;
      if (isOurs && lacking.length === 0 && older.hash === head) return "behind";
      throw diverged(older.seq);
    }
    from = missing;
  }
}

/**
 * Fetches blocks from one back to the first, or to the one behind the copy's newest, and keeps them with the copy.
 * @returns a block that is no newer than the copy's, where it came to one
 */
async function fetchBack(
  { origin, replica, signal }: Copying,
  from: string,
  copy: { readonly seq: number } | null,
): Promise<{ readonly seq: number; readonly hash: string } | null> {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  let older: { readonly seq: number; readonly hash: string } | null = null;
  // A few at once: what waits from an earlier run is met by the next walk, and not fetched again.
  for (let hash: string | null = from; hash !== null && kept.length < keptBlocks && bytes < keptBytes; ) {
    const wanted: string = hash;
    const block = await patiently(signal, () => fetchBlock(origin, wanted, signal));
    const { sequenceNumber: seq, prevBlockHash } = readable(block);
    if (copy !== null && seq <= copy.seq) {
      older = { seq, hash };
      break;
    }
    kept.push(block);
    bytes += block.length;
    hash = copy !== null && seq === copy.seq + 1 ? null : prevBlockHash;
  }
  if (kept.length > 0) await replica.putBlocks(kept);
  return older;
}

async function fetchBlock(origin: Origin, hash: string, signal: AbortSignal): Promise<Uint8Array> {
  const bytes = await origin.block(hash, signal);
  if (sha3Multihash(bytes) === hash) return bytes;
  throw new MillraceError("replica_refused", `The bytes of the block ${hash} are not those that its name says.`, {
    hint: "Nothing of it is visible here. Ask who keeps the origin.",
  });
}

function readable(block: Uint8Array) {
  try {
    return decodeBlock(block);
  } catch (cause) {
    throw new MillraceError("replica_refused", "The origin has a block that this version cannot read.", {
      hint: "Was it written by a newer version, or by another program?",
      cause,
    });
  }
}

async function begin({ originUrl, replica }: Copying, blocks: HashList) {
  const [seed] = blocks.fromOldest(0, 1);
  if (seed === undefined) throw new MillraceError("replica_refused", "The origin's chain has no first block.");
  return await replica.begin(originUrl, seed);
}

interface Step {
  readonly seq: number;
  readonly head: string;
  readonly objects: number;
  readonly bytes: number;
}

/** Commits these blocks, after bringing what they name. */
async function advance(job: Copying, blocks: readonly string[]): Promise<Step> {
  const { replica, signal } = job;
  const standIns = new StandIns(job);
  const last = blocks.at(-1);
  let objects = 0;
  let bytes = 0;
  for (;;) {
    signal.throwIfAborted();
    const { seq, head, missing } = await patiently(signal, () => replica.advance(blocks));
    if (head === last) return { seq, head, objects, bytes };
    if (missing.length === 0) throw new MillraceError("conflict", "The copy moved on by itself; run this again.");
    const brought = await bringObjects(job, missing);
    const instead = await standIns.bring(brought.gone);
    objects += brought.objects + instead.objects;
    bytes += brought.bytes + instead.bytes;
  }
}

function diverged(seq: number): MillraceError {
  return new MillraceError("replica_diverged", `The origin's chain is another one than the copy's at block ${seq}.`, {
    hint: "The origin was rewritten or put back from a backup. The copy stays as it is; pull into another platform to compare.",
  });
}

function tooManyBlocks(): MillraceError {
  return new MillraceError("too_large", `The origin's chain has more than ${mostBlocks} blocks that are not here.`);
}
