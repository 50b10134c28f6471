import { type DatasetId, type Instant, instant } from "../base/index.ts";
import type { DatasetRef, Datasets, Head } from "../datasets/index.ts";
import type { Multihash } from "../slices/index.ts";
import type { DecidedInput, Decision } from "./decision.ts";

/** How far a derivative's chain has read one input. */
interface ReadSoFar {
  readonly block: Multihash;
  /** The first row that was not read. */
  readonly nextOffset: number;
}

/** How far the runs of a derivative's newest transform have read, by input: the last of them tells. */
export async function readSoFar(
  datasets: Datasets,
  id: DatasetId,
  seq: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<DatasetId, ReadSoFar>> {
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
  readonly head: Head;
  readonly inputs: readonly DatasetRef[];
  readonly read: ReadonlyMap<DatasetId, ReadSoFar>;
  readonly planHash: string;
  readonly maxRows: number;
  readonly now: Instant;
}

/** The next run over what the inputs have now; null where none has a new row, or one has no columns yet. */
export async function nextDecision(datasets: Datasets, next: NextRun, signal: AbortSignal): Promise<Decision | null> {
  const inputs = await Promise.all(next.inputs.map((input) => decidedInput(datasets, input, next, signal)));
  const known = inputs.filter((input) => input !== null);
  if (known.length < inputs.length || known.every(({ fromOffset, belowOffset }) => fromOffset === belowOffset))
    return null;
  const clock = instant(Math.max(next.now, next.head.systemTime ?? 0));
  return { behindSeq: next.head.seq, planHash: next.planHash, clock, inputs: known };
}

async function decidedInput(
  datasets: Datasets,
  { id }: DatasetRef,
  { head, read, maxRows }: NextRun,
  signal: AbortSignal,
): Promise<DecidedInput | null> {
  const newest = await datasets.snapshot(id, undefined, signal);
  if (newest.schema === null) return null;
  const before = read.get(id);
  const fromOffset = before?.nextOffset ?? 0;
  // Many rows are read in turns; a turn ends with a block, whose versions tell where that is.
  const last = Math.max(fromOffset, newest.expiredBefore) + maxRows - 1;
  // A transform that takes another's place is done with all rows at once: readers see one result or the other.
  const takesPlace = read.size === 0 && head.nextOffset > 0;
  const until =
    takesPlace || last >= newest.rows - 1
      ? newest
      : await datasets.snapshot(id, { kind: "offset", offset: last }, signal);
  return {
    datasetId: id,
    readBlock: before?.block ?? null,
    block: until.block,
    seq: until.seq,
    fromOffset,
    belowOffset: Math.max(fromOffset, until.rows),
  };
}
