import type { Instant } from "../../base/index.ts";
import type { DataSchema, Multihash } from "../../slices/index.ts";
import type { ObjectStore } from "../../storage/index.ts";
import { isLost } from "../layout/condemned.ts";
import type { ColumnStatistics } from "../layout/live-slices.ts";
import type { AddData, ExecuteTransform, ExecuteTransformInput, SourceState } from "../odf/index.ts";
import type { Tip } from "../rules/index.ts";
import { namedObjects, objectKey } from "../transfer/named-objects.ts";
import { type CommitNotes, type QuarantineSlice, writeNotes } from "./extra.ts";
import type { DatasetKeys } from "./keys.ts";
import type { DatasetLog } from "./log.ts";
import type { StoredBlock } from "./stored-block.ts";

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

/** What every commit of rows says. */
export interface NewRows {
  /** The newest block that the caller has seen: offsets in the slice go on from it. */
  readonly expectedSeq: number;
  /** A schema to set before the data, where it differs from the dataset's. */
  readonly schema?: DataSchema;
  readonly data?: NewSlice;
  readonly quarantine?: NewQuarantine;
  readonly watermark?: Instant;
  readonly systemTime: Instant;
}

/** Rows from outside. */
export interface Change extends NewRows {
  /**
   * How far the source has come with this change. It is the change's identity: who meets it in the chain knows that the
   * change is committed, so two changes never share one.
   */
  readonly sourceState: SourceState;
  readonly ingests?: CommitNotes["ingests"];
  readonly by: string;
}

/** What a run of a dataset's transform made of these inputs. The system time is the run's frozen clock. */
export interface ExecutedRun extends NewRows {
  readonly inputs: readonly ExecuteTransformInput[];
  readonly quarantine?: never;
}

/**
 * Commits a block: durable when it returns `committed`.
 *
 *   stored --put block--> named --log entry: created, and no pack of its region--> COMMITTED
 *                               \--log entry or pack: another's----------------> LOST
 *                               \--its objects are condemned or gone------------> OBJECTS GONE
 *                               \--failed, and failed again-------------------> UNKNOWN (the store's error is thrown)
 *
 * The log entry is the commit: it is created if absent, so of racing writers one wins. A crash before it leaves objects
 * that nothing names. A writer that was frozen may create an entry whose number was taken and packed away meanwhile: the pack
 * tells it so (`DatasetLog.claim`).
 * @param without the slice that is not here, and need not be: a proven copy stands for it, or its rows have expired
 * @throws dataset_not_found where the dataset was deleted meanwhile; the store's errors, after which the head must be
 * asked again: the block may be committed
 */
export async function commitBlock(
  log: DatasetLog,
  { seq, hash, bytes, block }: StoredBlock,
  { without = null }: { readonly without?: Multihash | null } = {},
): Promise<"committed" | "lost" | "objects gone"> {
  await log.store.put(log.keys.block(hash), bytes);
  const named = namedObjects(block.event).filter((one) => one.hash !== without);
  const objects = named.map((one) => objectKey(log.keys, one.part, one.hash));
  if (await isLost(log.store, log.keys, objects)) return "objects gone";
  return (await log.claim(seq, hash)) === "ours" ? "committed" : "lost";
}

/** Brings a change's objects into the store. Orphans of a lost commit are named by content and do no harm. */
export async function adoptObjects(store: ObjectStore, keys: DatasetKeys, change: NewRows): Promise<void> {
  const { data, quarantine } = change;
  if (data !== undefined) {
    await store.adopt(keys.data(data.physicalHash), data.localPath);
    await store.put(keys.statistics(data.physicalHash), new TextEncoder().encode(JSON.stringify(data.statistics)));
  }
  if (quarantine === undefined) return;
  // Also where a commit that failed or was lost has brought it: only the store can say that it stays.
  await store.adopt(keys.quarantine(quarantine.physicalHash), quarantine.localPath);
}

/** The AddData event of a change behind a tip. */
export function addDataEvent(tip: Tip, change: Change): AddData {
  const { quarantine, sourceState, ingests, by } = change;
  const notes: CommitNotes = {
    by,
    ...(quarantine === undefined
      ? {}
      : { quarantine: { physicalHash: quarantine.physicalHash, rows: quarantine.rows, size: quarantine.size } }),
    ...(ingests === undefined ? {} : { ingests }),
  };
  return { kind: "AddData", ...rowsBehind(tip, change), newSourceState: sourceState, extra: writeNotes(notes) };
}

/** The ExecuteTransform event of a run behind a tip. */
export function executeTransformEvent(tip: Tip, run: ExecutedRun): ExecuteTransform {
  return { kind: "ExecuteTransform", queryInputs: run.inputs, ...rowsBehind(tip, run) };
}

/** What both events say of their rows. */
function rowsBehind(tip: Tip, { data, watermark: said }: NewRows): Omit<AddData, "kind"> {
  const watermark = latest(tip.watermark, said ?? null);
  return {
    ...(tip.checkpoint === null ? {} : { prevCheckpoint: tip.checkpoint }),
    ...(tip.nextOffset === 0 ? {} : { prevOffset: tip.nextOffset - 1 }),
    ...(data === undefined
      ? {}
      : {
          newData: {
            logicalHash: data.logicalHash,
            physicalHash: data.physicalHash,
            offsetInterval: { start: tip.nextOffset, end: tip.nextOffset + data.rows - 1 },
            size: data.sizeBytes,
          },
        }),
    ...(watermark === null ? {} : { newWatermark: watermark }),
  };
}

function latest(a: Instant | null, b: Instant | null): Instant | null {
  if (a === null || b === null) return a ?? b;
  return a > b ? a : b;
}
