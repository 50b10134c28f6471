import type { Instant } from "../../base/index.ts";
import { type DataSchema, type Multihash, sha3Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { encodeBlock, type MetadataEvent, type SourceState } from "../odf/index.ts";
import { checkRules } from "../rules/index.ts";
import type { Chain, ColumnStatistics } from "./chain.ts";
import { type CommitNotes, type QuarantineSlice, writeNotes } from "./extra.ts";
import type { DatasetKeys } from "./keys.ts";
import { readLog, type StoredBlock } from "./log.ts";

/** A finished Parquet file on its way into the object store. */
export interface NewSlice {
  readonly localPath: string;
  readonly rows: number;
  readonly sizeBytes: number;
  readonly physicalHash: Multihash;
  readonly logicalHash: Multihash;
  readonly statistics: readonly ColumnStatistics[];
}

export interface NewQuarantine extends QuarantineSlice {
  readonly localPath: string;
}

export interface Change {
  /** The newest block that the caller has seen: offsets in the slice go on from it. */
  readonly expectedSeq: number;
  /** A schema to set before the data, where it differs from the dataset's. */
  readonly schema?: DataSchema;
  readonly data?: NewSlice;
  readonly quarantine?: NewQuarantine;
  readonly watermark?: Instant;
  readonly sourceState?: SourceState;
  readonly ingests?: CommitNotes["ingests"];
  readonly systemTime: Instant;
  readonly by: string;
}

/**
 * Commits one event behind a chain.
 *
 *   prepared --adopt objects--> stored --put block--> named --log entry: created--> COMMITTED --refs/head--> hinted
 *                                                       \--log entry: another's--> LOST
 *
 * The log entry is the commit: it is created if absent, so of racing writers one wins. A crash before it leaves objects
 * that nothing names; a crash behind it leaves a stale hint, which readers pass.
 * @returns null when another writer won the sequence number
 */
export async function commitEvent(
  store: ObjectStore,
  keys: DatasetKeys,
  chain: Chain,
  event: MetadataEvent,
  now: Instant,
): Promise<StoredBlock | null> {
  const block = {
    systemTime: chain.systemTime !== null && chain.systemTime > now ? chain.systemTime : now,
    prevBlockHash: chain.head,
    sequenceNumber: chain.seq + 1,
    event,
  };
  checkRules(chain, block);
  const bytes = encodeBlock(block);
  const hash = sha3Multihash(bytes);
  await store.put(keys.block(hash), bytes);
  const entry = new TextEncoder().encode(hash);
  const outcome = await store.putIfAbsent(keys.log(block.sequenceNumber), entry);
  // A repeated call may meet its own entry: the same bytes have the same name, and are one commit.
  if (outcome === "exists" && (await readLog(store, keys, block.sequenceNumber)) !== hash) return null;
  await store.put(keys.head, entry);
  return { seq: block.sequenceNumber, hash, bytes, block };
}

/** Brings a change's objects into the store. Orphans of a lost commit are named by content and do no harm. */
export async function adoptObjects(store: ObjectStore, keys: DatasetKeys, change: Change): Promise<void> {
  const { data, quarantine } = change;
  if (data !== undefined) {
    await store.adopt(keys.data(data.physicalHash), data.localPath);
    await store.put(keys.statistics(data.physicalHash), new TextEncoder().encode(JSON.stringify(data.statistics)));
  }
  if (quarantine !== undefined) await store.adopt(keys.quarantine(quarantine.physicalHash), quarantine.localPath);
}

/** The AddData event of a change behind a chain. */
export function addDataEvent(chain: Chain, change: Change): MetadataEvent {
  const { data, quarantine, sourceState, ingests, by } = change;
  const watermark = latest(chain.watermark, change.watermark ?? null);
  const notes: CommitNotes = {
    by,
    ...(quarantine === undefined
      ? {}
      : { quarantine: { physicalHash: quarantine.physicalHash, rows: quarantine.rows, size: quarantine.size } }),
    ...(ingests === undefined ? {} : { ingests }),
  };
  return {
    kind: "AddData",
    ...(chain.nextOffset === 0 ? {} : { prevOffset: chain.nextOffset - 1 }),
    ...(data === undefined
      ? {}
      : {
          newData: {
            logicalHash: data.logicalHash,
            physicalHash: data.physicalHash,
            offsetInterval: { start: chain.nextOffset, end: chain.nextOffset + data.rows - 1 },
            size: data.sizeBytes,
          },
        }),
    ...(watermark === null ? {} : { newWatermark: watermark }),
    ...(sourceState === undefined ? {} : { newSourceState: sourceState }),
    extra: writeNotes(notes),
  };
}

function latest(a: Instant | null, b: Instant | null): Instant | null {
  if (a === null || b === null) return a ?? b;
  return a > b ? a : b;
}
