import { isDeepStrictEqual } from "node:util";
import { type DatasetId, MillraceError } from "../../base/index.ts";
import type { Multihash } from "../../slices/index.ts";
import type { SetSchema } from "../chain/chain.ts";
import { type QuarantineSlice, readNotes } from "../chain/extra.ts";
import type { DatasetLog } from "../chain/log.ts";
import { follow, noBlock } from "../chain/tip.ts";
import type { Broken } from "../layout/broken-parts.ts";
import { LayoutKeys } from "../layout/layout-keys.ts";
import { type Original, originalOf } from "../layout/originals.ts";
import type { Regions } from "../layout/region.ts";
import type { CopyWorker } from "../layout/work.ts";
import type { DataSlice, MetadataBlock } from "../odf/index.ts";
import { advance, type Milestone, start } from "../packs/milestone.ts";
import type { Tip } from "../rules/index.ts";
import { physicalProblem } from "./bytes.ts";
import { logicalProblem, type SliceReader } from "./slice-reader.ts";
import { SupersededSlices } from "./superseded.ts";

export type VerifyLevel = "chain" | "physical" | "logical";

export interface VerifyReport {
  readonly ok: boolean;
  readonly level: VerifyLevel;
  readonly blocks: number;
  readonly slices: number;
  /** Of the slices, those whose object is gone: proven from the copy that stands for them, or expired. */
  readonly superseded: number;
  readonly expired: number;
  readonly rows: number;
  /** The first broken object and why; null where everything holds. */
  readonly broken: Broken | null;
}

export interface VerifyOptions {
  readonly level: VerifyLevel;
  readonly signal: AbortSignal;
  /** Told of what is done and what is known to be in all: blocks, then the objects that they name too. */
  readonly progress?: (done: number, total: number) => void;
}

export interface VerifySource {
  readonly log: DatasetLog;
  readonly reader: SliceReader;
  readonly regions: Regions;
  /** null where copies cannot be read here. */
  readonly worker: CopyWorker | null;
  /** The log entry behind the newest, where there is proof that it was there. */
  readonly lostEntry: (newest: number) => Promise<string | null>;
}

interface Verification {
  readonly source: VerifySource;
  readonly options: VerifyOptions;
  tip: Tip;
  milestone: Milestone;
  slices: number;
  superseded: number;
  expired: number;
  objects: number;
}

/**
 * Proves a dataset, in order of the chain: each pack and log entry, each block's name and rules; from `physical` on the bytes of
 * each data object; for `logical` also the hash and offsets of its rows. Nothing but packs, log, blocks and objects is believed:
 * an index or a checkpoint can add a doubt, not take one away.
 * @throws dataset_not_found where it was deleted; the signal's reason; the store's errors
 */
export async function verifyChain(source: VerifySource, id: DatasetId, options: VerifyOptions): Promise<VerifyReport> {
  const one: Verification = {
    source,
    options,
    tip: noBlock(id),
    milestone: start,
    slices: 0,
    superseded: 0,
    expired: 0,
    objects: 0,
  };
  const broken = (await verifyLog(one)) ?? (options.level === "chain" ? null : await verifyObjects(one));
  return {
    ok: broken === null,
    level: options.level,
    blocks: one.tip.seq + 1,
    slices: one.slices,
    superseded: one.superseded,
    expired: one.expired,
    rows: one.tip.nextOffset,
    broken,
  };
}

async function verifyLog(one: Verification): Promise<Broken | null> {
  const { log, lostEntry } = one.source;
  const total = (await log.newest(-1, one.options.signal)) + 1;
  const broken = (await verifyPacks(one, total)) ?? (await verifyEntries(one, total));
  if (broken !== null) return broken;
  if (one.tip.seq < 0) return { object: log.keys.log(0), reason: "the commit log is empty" };
  const lost = await lostEntry(one.tip.seq);
  return lost === null ? null : { object: lost, reason: "it is missing, though later blocks were committed" };
}

/** Every pack that is there, as the store lists them, so that no gap is jumped over. */
async function verifyPacks(one: Verification, total: number): Promise<Broken | null> {
  const { log } = one.source;
  const { signal } = one.options;
  for await (const { key } of log.store.list(log.keys.packsFolder, { signal })) {
    const region = log.region(one.tip.seq + 1);
    const wanted = log.keys.pack(region);
    if (key > wanted) return { object: wanted, reason: "it is missing" };
    if (key < wanted) return { object: key, reason: "it is no pack" };
    const broken = (await verifyHeader(one, region)) ?? (await verifyPacked(one, total));
    if (broken !== null) return broken;
  }
  return null;
}

/** A pack's header must say what the blocks before it come to: the past is found by it. */
async function verifyHeader({ source: { log }, milestone }: Verification, region: number): Promise<Broken | null> {
  const object = log.keys.pack(region);
  try {
    await log.isPacked(region);
    const { base } = (await log.packs.read(region)).header;
    const differs = isDeepStrictEqual(base, milestone)
      ? null
      : "its header says something else than the blocks before it";
    return differs === null ? null : { object, reason: differs };
  } catch (error) {
    return brokenBy(error, object);
  }
}

/** The blocks of one region, from its pack. */
async function verifyPacked(one: Verification, total: number): Promise<Broken | null> {
  const { log } = one.source;
  const end = (log.region(one.tip.seq + 1) + 1) * log.packBlocks;
  while (one.tip.seq + 1 < end) {
    const broken = await verifyLink(one, one.tip.seq + 1, total);
    if (broken !== null) return broken;
  }
  return null;
}

/** Every entry of the log above the packs, as the store lists them. Those below mean nothing. */
async function verifyEntries(one: Verification, total: number): Promise<Broken | null> {
  const { log } = one.source;
  for await (const { key } of log.store.list(log.keys.logFolder, { signal: one.options.signal })) {
    if (isBelow(key, log)) continue;
    const next = () => log.keys.log(one.tip.seq + 1);
    // What was listed first may be packed by now.
    while (key > next() && (await log.isPacked(log.region(one.tip.seq + 1)))) {
      const broken = await verifyPacked(one, total);
      if (broken !== null) return broken;
    }
    if (key > next()) return { object: next(), reason: "it is missing" };
    if (isBelow(key, log)) continue;
    if (key < next()) return { object: key, reason: "it is no entry of the log" };
    const broken = await verifyLink(one, one.tip.seq + 1, total);
    if (broken !== null) return broken;
  }
  return null;
}

function isBelow(key: string, log: DatasetLog): boolean {
  const seq = log.keys.seqOf(key);
  return seq !== null && seq < log.floor;
}

async function verifyLink(one: Verification, seq: number, total: number): Promise<Broken | null> {
  const { log } = one.source;
  const { signal, progress } = one.options;
  signal.throwIfAborted();
  let object = log.keys.log(seq);
  try {
    const { hash, block } = await log.at(seq, signal);
    object = seq < log.floor ? log.keys.pack(log.region(seq)) : log.keys.block(hash);
    const milestone = advance(one.milestone, hash, block);
    one.tip = follow(one.tip, hash, block);
    one.milestone = milestone;
    const { slice, quarantine } = objectsOf(block);
    if (slice !== undefined) one.slices++;
    one.objects += (slice === undefined ? 0 : 1) + (quarantine === undefined ? 0 : 1);
  } catch (error) {
    return brokenBy(error, object);
  }
  progress?.(seq + 1, Math.max(total, seq + 1));
  return null;
}

/** What an error says of an object; one that speaks of no object is thrown on. */
function brokenBy(error: unknown, object: string): Broken {
  if (!(error instanceof MillraceError) || error.code === "dataset_not_found") throw error;
  const reason = error.data?.reason ?? error.data?.problem;
  const named = error.data?.object;
  return {
    object: typeof named === "string" ? named : object,
    reason: typeof reason === "string" ? reason : error.message,
  };
}

function objectsOf({ event }: MetadataBlock) {
  const slice = event.kind === "AddData" || event.kind === "ExecuteTransform" ? event.newData : undefined;
  const quarantine = event.kind === "AddData" ? readNotes(event).quarantine : undefined;
  return { slice, quarantine };
}

/** What the blocks name, in their order. */
async function verifyObjects(one: Verification): Promise<Broken | null> {
  const { log } = one.source;
  const { signal, progress } = one.options;
  let done = one.tip.seq + 1;
  const total = done + one.objects;
  const schemas: SetSchema[] = [];
  const superseded = supersededSlices(one, schemas);
  for await (const stored of log.read(0, one.tip.seq, signal)) {
    const { seq, block } = stored;
    if (block.event.kind === "SetDataSchema") schemas.push({ seq, schema: block.event.schema });
    const { slice, quarantine } = objectsOf(block);
    const original = originalOf(stored, schemas);
    const checks = [
      ...(slice === undefined || original === null ? [] : [() => verifySlice(one, slice, original, superseded)]),
      ...(quarantine === undefined ? [] : [() => verifyQuarantine(one, quarantine)]),
    ];
    for (const check of checks) {
      signal.throwIfAborted();
      const broken = await check();
      if (broken !== null) return broken;
      progress?.(++done, total);
    }
  }
  const broken = await superseded?.finish();
  one.superseded = superseded?.proven ?? 0;
  one.expired = superseded?.expired ?? 0;
  return broken ?? null;
}

function supersededSlices(
  { source, options, tip }: Verification,
  schemas: readonly SetSchema[],
): SupersededSlices | null {
  const { log, regions, worker } = source;
  const { level, signal } = options;
  if (level === "chain") return null;
  const keys = new LayoutKeys(tip.id);
  return new SupersededSlices({ store: log.store, keys, regions, newest: tip.seq, schemas, worker, level, signal });
}

async function verifyQuarantine(one: Verification, { physicalHash, size }: QuarantineSlice): Promise<Broken | null> {
  return await verifyBytes(one, one.source.log.keys.quarantine(physicalHash), physicalHash, size);
}

async function verifyBytes(
  { source, options }: Verification,
  object: string,
  hash: Multihash,
  sizeBytes: number,
): Promise<Broken | null> {
  const reason = await physicalProblem(source.log.store, { object, hash, sizeBytes }, options.signal);
  return reason === null ? null : { object, reason };
}

async function verifySlice(
  one: Verification,
  slice: DataSlice,
  original: Original,
  superseded: SupersededSlices | null,
): Promise<Broken | null> {
  const { source, options } = one;
  const object = source.log.keys.data(slice.physicalHash);
  if (superseded !== null && (await source.log.store.stat(object)) === null) return await superseded.add(original);
  const broken = await verifyBytes(one, object, slice.physicalHash, slice.size);
  if (broken !== null || options.level === "physical") return broken;
  await using file = await source.log.store.local(object, options.signal);
  if (file === null) return { object, reason: "it is missing" };
  try {
    const reason = await logicalProblem(source.reader, file.path, slice, options.signal);
    return reason === null ? null : { object, reason };
  } catch (error) {
    options.signal.throwIfAborted();
    return { object, reason: `its rows cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}
