import { type Instant, MillraceError } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";
import type { SetSchema } from "../chain/chain.ts";
import type { Chains } from "../chain/chains.ts";
import type { StoredBlock } from "../chain/stored-block.ts";
import type { RegionManifest } from "../layout/manifest.ts";
import { type Original, originalOf } from "../layout/originals.ts";
import type { Tip } from "../rules/index.ts";
import type { Copy } from "./copy.ts";
import { followed } from "./followed.ts";
import { refused } from "./refusals.ts";
import type { WaitingBlocks } from "./waiting.ts";

/** What a region's blocks say of it, the committed ones and those that wait to follow them. */
export interface RegionBlocks {
  readonly head: Multihash;
  readonly systemTime: Instant;
  readonly originals: readonly Original[];
  readonly schemas: readonly SetSchema[];
}

/**
 * Reads the blocks of a region that ends with the block of its manifest: each link and rule from the committed head on holds.
 * @throws replica_refused, replica_diverged; conflict where a block of it was not put here, as when the origin has grown since
 */
export async function regionBlocks(
  { chains, waiting }: { readonly chains: Chains; readonly waiting: WaitingBlocks },
  { id, path }: Copy,
  { firstSeq, lastSeq, head }: Pick<RegionManifest, "firstSeq" | "lastSeq" | "head">,
  signal: AbortSignal,
): Promise<RegionBlocks> {
  const { tip, schemas: known } = await chains.current(id, signal);
  const schemas = [...known];
  const originals: Original[] = [];
  let last: StoredBlock | null = null;
  for await (const stored of upTo()) {
    const { event } = stored.block;
    if (stored.seq > tip.seq && event.kind === "SetDataSchema") schemas.push({ seq: stored.seq, schema: event.schema });
    if (stored.seq < firstSeq) continue;
    last = stored;
    const original = originalOf(stored, schemas);
    if (original !== null) originals.push(original);
  }
  if (last?.hash !== head) throw refused("its region ends with another block than its chain");
  return { head, systemTime: last.block.systemTime, originals, schemas };

  async function* upTo(): AsyncIterable<StoredBlock> {
    yield* chains.log(id).read(firstSeq, Math.min(lastSeq, tip.seq), signal);
    if (lastSeq > tip.seq) yield* waitingUpTo(waiting, path, head, tip, signal);
  }
}

/** Back to the committed head by names alone, then forward, so that few blocks are held at once. */
async function* waitingUpTo(
  waiting: WaitingBlocks,
  path: Copy["path"],
  head: Multihash,
  tip: Tip,
  signal: AbortSignal,
): AsyncIterable<StoredBlock> {
  const names: Multihash[] = [];
  for (let from: Multihash | null = head; from !== null; ) {
    const { blocks, missing }: Awaited<ReturnType<WaitingBlocks["walk"]>> = await waiting.walk(path, from, tip, signal);
    for (const { hash } of blocks) names.push(hash);
    if (missing === from) throw notPut(from);
    from = missing;
  }
  let next = tip;
  for (const hash of names.reverse()) {
    const stored = await waiting.get(path, hash);
    if (stored === null) throw notPut(hash);
    next = followed(next, stored);
    yield stored;
  }
}

function notPut(block: Multihash): MillraceError {
  return new MillraceError("conflict", `The region reaches to the block ${block}, which was not put here.`, {
    hint: "Walk back from the origin's head of now, and put the blocks that are missing.",
    data: { wanted: block },
  });
}
