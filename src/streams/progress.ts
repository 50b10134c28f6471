import { type DatasetId, type DatasetPath, type Instant, instant } from "../base/index.ts";
import type { WindowShape } from "../compiler/index.ts";
import type { DatasetRef, Datasets, Head, Snapshot } from "../datasets/index.ts";
import type { Multihash } from "../slices/index.ts";
import type { DecidedInput, Decision } from "./decision.ts";
import { type Idling, idleInput, idlingOf } from "./idle.ts";
import { drivingOf } from "./lookup-join.ts";
import type { TransformSelect } from "./select.ts";
import { syncedTo } from "./sync.ts";

/** How far a derivative's chain has read one input. */
export interface ReadSoFar {
  readonly block: Multihash;
  /** The first row that was not read. */
  readonly nextOffset: number;
}

export type ReadInputs = ReadonlyMap<DatasetId, ReadSoFar>;

/** What has been read when a run is committed. */
export function readBy({ inputs }: Decision): ReadInputs {
  return new Map(inputs.map(({ datasetId, block, belowOffset }) => [datasetId, { block, nextOffset: belowOffset }]));
}

/** How far the runs of a derivative's newest transform have read, by input: the last of them tells. */
export async function readSoFar(
  datasets: Datasets,
  id: DatasetId,
  seq: number,
  signal: AbortSignal,
): Promise<ReadInputs> {
  const range = { from: 0, to: seq, newestFirst: true };
  for await (const { block } of datasets.blocks(id, range, signal)) {
    if (block.event.kind === "SetTransform") return new Map();
    if (block.event.kind !== "ExecuteTransform") continue;
    return new Map(
      block.event.queryInputs.flatMap(({ datasetId, newBlockHash, prevBlockHash, newOffset, prevOffset }) => {
        const read = newBlockHash ?? prevBlockHash;
        return read === undefined
          ? []
          : [[datasetId, { block: read, nextOffset: (newOffset ?? prevOffset ?? -1) + 1 }]];
      }),
    );
  }
  return new Map();
}

export interface NextRun {
  readonly head: Pick<Head, "seq" | "nextOffset" | "systemTime" | "watermark">;
  readonly inputs: readonly DatasetRef[];
  readonly select: Pick<TransformSelect, "driving" | "lookedUp" | "emit" | "planHash">;
  readonly read: ReadInputs;
  readonly maxRows: number;
  readonly now: Instant;
  /** The windows that its result is about; null where it is about none. */
  readonly window: WindowShape | null;
  /** Since when this process looks at it. */
  readonly takenUpAt: Instant;
}

/** What new rows wait for: the watermark of what is looked up; null: its first columns. */
export interface Awaited {
  readonly dataset: DatasetPath;
  readonly watermark: Instant | null;
}

/** The next run, and what it leaves waiting; neither where nothing is new. */
export interface NextStep {
  readonly decision: Decision | null;
  readonly awaited: Awaited | null;
  /** When there will be a run though nothing comes; null: never. */
  readonly dueAt: Instant | null;
}

/** An input as it is now. */
interface Newest {
  readonly ref: DatasetRef;
  readonly newest: Snapshot;
}

const nothing: NextStep = { decision: null, awaited: null, dueAt: null };

/**
 * The next run over what the inputs have now; none where none has a new row, or one has no columns yet. What is looked up is seen after
 * the new rows are, so that they find what was committed before them.
 */
export async function nextStep(datasets: Datasets, next: NextRun, signal: AbortSignal): Promise<NextStep> {
  const see = async (ref: DatasetRef): Promise<Newest> => ({
    ref,
    newest: await datasets.snapshot(ref.id, undefined, signal),
  });
  const driving = await Promise.all(drivingOf(next.inputs.map(asInput), next.select).map(({ ref }) => see(ref)));
  if (driving.some(({ newest }) => newest.schema === null)) return nothing;
  const lookups = next.inputs.filter(({ id }) => !driving.some(({ ref }) => ref.id === id));
  const lookedUp = await Promise.all(lookups.map(see));
  const decided = await decidedDriving(datasets, { driving, lookedUp, next }, signal);
  const { inputs, awaited } = decided;
  if (inputs === null) return { ...nothing, awaited };
  const clock = instant(Math.max(next.now, next.head.systemTime ?? 0));
  const idling = idlingNow(driving, decided.until, next, clock);
  const isNew = inputs.some(({ fromOffset, belowOffset }) => fromOffset < belowOffset);
  if (!isNew && idling?.closes !== true) return { decision: null, awaited, dueAt: idling?.dueAt ?? null };
  const unknown = lookedUp.find(({ newest }) => newest.schema === null);
  if (unknown !== undefined) return { ...nothing, awaited: { dataset: unknown.ref.path, watermark: null } };
  const all = [...inputs, ...lookedUp.map(({ ref, newest }) => decidedInput(ref, newest, next))];
  const inOrder = next.inputs.flatMap(({ id }) => all.filter(({ datasetId }) => datasetId === id));
  const { planHash } = next.select;
  const watermark = idling === null ? {} : { watermark: idling.watermark };
  return {
    ...nothing,
    decision: { behindSeq: next.head.seq, planHash, clock, inputs: inOrder, ...watermark },
    awaited,
  };
}

/** What the clock alone does; null where it has no say. */
function idlingNow(
  driving: readonly Newest[],
  until: readonly Snapshot[],
  { select, window, head, takenUpAt }: NextRun,
  now: Instant,
): Idling | null {
  const { emit } = select;
  if (emit === null || emit.idleMs === null) return null;
  const inputs = driving.map(({ newest }, at) => idleInput(newest, until[at] ?? newest, takenUpAt));
  const { latenessMs, idleMs } = emit;
  return idlingOf(inputs, { window, emit: { latenessMs, idleMs }, before: head.watermark, now });
}

const asInput = (ref: DatasetRef) => ({ ref });

/** How far the inputs are read whose new rows make rows. */
interface DecidedDriving {
  /** Null where one that was never read has to wait. */
  readonly inputs: readonly DecidedInput[] | null;
  /** The last block of each. */
  readonly until: readonly Snapshot[];
  readonly awaited: Awaited | null;
}

async function decidedDriving(
  datasets: Datasets,
  of: { readonly driving: readonly Newest[]; readonly lookedUp: readonly Newest[]; readonly next: NextRun },
  signal: AbortSignal,
): Promise<DecidedDriving> {
  const { driving, lookedUp, next } = of;
  const slowest = next.select.emit?.sync === true ? slowestOf(lookedUp) : null;
  const until: Snapshot[] = [];
  let awaited: Awaited | null = null;
  for (const input of driving) {
    const { ref } = input;
    const turn = await turnOf(datasets, input, next, signal);
    if (slowest === null) {
      until.push(turn);
      continue;
    }
    const limit = slowest.newest.watermark;
    const synced = await syncedTo(datasets, { ref, turn, limit, read: next.read.get(ref.id) }, signal);
    if (synced.awaited !== null) awaited = { dataset: slowest.ref.path, watermark: synced.awaited };
    if (synced.until === null) return { inputs: null, until, awaited };
    until.push(synced.until);
  }
  const inputs = driving.map(({ ref, newest }, at) => decidedInput(ref, until[at] ?? newest, next));
  return { inputs, until, awaited };
}

/** What is looked up and has the earliest watermark, or none yet. */
function slowestOf(lookedUp: readonly Newest[]): Newest | null {
  const [first] = lookedUp.toSorted(
    (one, other) => (one.newest.watermark ?? -Infinity) - (other.newest.watermark ?? -Infinity),
  );
  return first ?? null;
}

/** Up to where one run reads an input: many rows are read in turns, and a turn ends with a block. */
async function turnOf(
  datasets: Datasets,
  { ref, newest }: Newest,
  { head, read, maxRows }: NextRun,
  signal: AbortSignal,
): Promise<Snapshot> {
  const last = Math.max(read.get(ref.id)?.nextOffset ?? 0, newest.expiredBefore) + maxRows - 1;
  // A transform that takes another's place is done with all rows at once: readers see one result or the other.
  const takesPlace = read.size === 0 && head.nextOffset > 0;
  if (takesPlace || last >= newest.rows - 1) return newest;
  return await datasets.snapshot(ref.id, { kind: "offset", offset: last }, signal);
}

function decidedInput({ id }: DatasetRef, until: Snapshot, { read }: NextRun): DecidedInput {
  const before = read.get(id);
  const fromOffset = before?.nextOffset ?? 0;
  return {
    datasetId: id,
    readBlock: before?.block ?? null,
    block: until.block,
    seq: until.seq,
    fromOffset,
    belowOffset: Math.max(fromOffset, until.rows),
  };
}
