import path from "node:path";
import { type DatasetId, datasetPath, MillraceError } from "../../src/base/index.ts";
import { receiveObject } from "../../src/datasets/index.ts";
import { sha3Multihash } from "../../src/slices/index.ts";
import { nodeDisk } from "../../src/storage/index.ts";
import type { Instance, Servers } from "./open.ts";

export const copyName = datasetPath("mirror.copy");
const forever = new AbortController().signal;
let received = 0;

/** As `millrace pull` does, without its requests: from one server's datasets to another's. */
export interface Pull {
  readonly origin: Instance;
  readonly id: DatasetId;
  readonly copy: Instance;
  /** Of the copy's server. */
  readonly open: Servers;
  /** Blocks in order; those of the origin unless said. */
  readonly blocks?: readonly Uint8Array[];
  /** Gives an object in the place of the origin. */
  readonly instead?: (object: { readonly part: string; readonly hash: string }) => Uint8Array | null;
  /** What stands for slices, on its way. */
  readonly manifest?: (bytes: Uint8Array) => Promise<Uint8Array>;
  readonly file?: (name: string) => Uint8Array | undefined;
  /** Before each request to the origin. */
  readonly before?: () => Promise<void>;
  readonly dropExpired?: boolean;
}

/** The origin's blocks, oldest first. */
export async function blocksOf({ datasets }: Instance, id: DatasetId): Promise<Uint8Array[]> {
  const all = { from: 0, to: Number.MAX_SAFE_INTEGER, newestFirst: false };
  return (await Array.fromAsync(datasets.blocks(id, all))).map(({ bytes }) => bytes);
}

/** Puts blocks and what they name, as far as the origin has it, and commits what proves itself. @returns the newest block */
export async function pulled(pull: Pull): Promise<number> {
  for (let walks = 1; ; walks++) {
    try {
      return await pulledOnce(pull);
    } catch (error) {
      const reachesFurther = error instanceof MillraceError && typeof error.data?.wanted === "string";
      if (!reachesFurther || walks === 5) throw error;
      await pull.copy.datasets.replicas.waiting.put(copyName, await blocksOf(pull.origin, pull.id));
    }
  }
}

async function pulledOnce(pull: Pull): Promise<number> {
  const { copy } = pull;
  const { replicas } = copy.datasets;
  const blocks = pull.blocks ?? (await blocksOf(pull.origin, pull.id));
  await replicas.waiting.put(copyName, blocks);
  const hashes = blocks.map(sha3Multihash);
  const id = await replicas.begin(copyName, "https://origin.example/odf/web/source", hashes[0] ?? "");
  const ref = await copy.datasets.nameReplica(id, copyName);
  for (let round = 0; ; round++) {
    if (round > 3 * hashes.length) throw new Error("the copy does not come further");
    const { seq, missing } = await replicas.advance(ref, hashes, forever);
    if (missing.length === 0) return seq;
    for (const one of missing) {
      const bytes = pull.instead?.(one) ?? (await original(pull, one));
      if (typeof bytes !== "object") {
        await standIn(pull, ref, one, bytes);
        break; // it may stand for the next ones, too
      }
      const named = await replicas.expect(ref, one.block, one.part, one.hash);
      await replicas.adopt(ref, named, await inFile(pull, named, bytes));
    }
  }
}

/** An object's bytes, or the offset below which rows have expired where it is gone. */
async function original(
  { origin, id, before }: Pull,
  { part, hash }: { readonly part: "data" | "checkpoints" | "quarantine"; readonly hash: string },
): Promise<Uint8Array | number> {
  await before?.();
  try {
    return await bytesOf(await origin.datasets.transfer.find(id, part, hash));
  } catch (error) {
    const expired = error instanceof MillraceError && error.code === "data_expired" ? error.data?.expiredBefore : null;
    if (typeof expired !== "number") throw error;
    return expired;
  }
}

async function standIn(
  pull: Pull,
  ref: { readonly id: DatasetId; readonly path: typeof copyName },
  { block, lastOffset }: { readonly block: string; readonly lastOffset: number | null },
  expiredBefore: number,
): Promise<void> {
  const { origin, id, copy, before, manifest = async (bytes) => bytes } = pull;
  const { replicas } = copy.datasets;
  if (lastOffset !== null && lastOffset < expiredBefore)
    return await replicas.expire(ref, expiredBefore, pull.dropExpired ?? false, forever);
  for (let tries = 0; tries < 5; tries++) {
    await before?.();
    const found = await origin.datasets.transfer.region(id, block);
    if (found === null) throw new Error(`nothing stands for the slice of ${block}`);
    const { missing, ...region } = await replicas.offer(ref, await manifest(found), forever);
    if (missing.length === 0) return;
    for (const one of missing) {
      await before?.();
      const bytes = pull.file?.(one.name) ?? (await copyOf(origin, id, one.name));
      if (bytes === null) break; // compacted further meanwhile
      const named = await replicas.standIns.expect(ref, region, one.hash);
      await replicas.adoptCopy(ref, named.key, await inFile(pull, named, bytes));
    }
  }
}

async function copyOf({ datasets }: Instance, id: DatasetId, name: string): Promise<Uint8Array | null> {
  try {
    return await bytesOf(await datasets.transfer.copy(id, name));
  } catch (error) {
    if (error instanceof MillraceError && error.code === "data_expired") return null;
    throw error;
  }
}

async function bytesOf(found: Awaited<ReturnType<Instance["datasets"]["transfer"]["find"]>>): Promise<Uint8Array> {
  if (found === null) throw new Error("the origin has no such object");
  return Buffer.concat(await Array.fromAsync(found.chunks(0, found.sizeBytes, forever)));
}

async function inFile({ open }: Pull, named: Parameters<typeof receiveObject>[2], bytes: Uint8Array): Promise<string> {
  const file = path.join(open.work, `received-${++received}`);
  await receiveObject(
    nodeDisk,
    file,
    named,
    (async function* () {
      yield bytes;
    })(),
  );
  return file;
}
