import { datasetPath, formatDatasetPath, type IdSource, MillraceError, type TraceId } from "../base/index.ts";
import type { SqlParser } from "../compiler/index.ts";
import type { DatasetRef, Datasets, MetadataEvent, Snapshot } from "../datasets/index.ts";
import { textOfTransform } from "./chain-transform.ts";
import type { DecidedInput } from "./decision.ts";
import type { Runner, SaidRows } from "./run.ts";
import { TransformSelect } from "./select.ts";

export interface RebuildReport {
  /** Runs that made the same rows again. */
  readonly runs: number;
  /** Runs whose inputs' rows have expired. */
  readonly expired: number;
  /** The first run that made other rows than its block says; null where none did. */
  readonly different: { readonly object: string; readonly reason: string } | null;
}

export interface RebuildOptions {
  readonly datasets: Datasets;
  readonly parser: SqlParser;
  readonly runner: Runner;
  readonly ids: IdSource;
}

type Executed = Extract<MetadataEvent, { kind: "ExecuteTransform" }>;
type Declared = Extract<MetadataEvent, { kind: "SetTransform" }>;

/**
 * Does every run of a derivative again, by what its chain says of it and nothing else, and holds the rows' logical hash against the
 * block's. @throws bad_request where the dataset has no transform; dataset_not_found where an input is not here
 */
export async function rebuild(
  { datasets, parser, runner, ids }: RebuildOptions,
  ref: Pick<DatasetRef, "id" | "path">,
  signal: AbortSignal,
  progress: (done: number, total: number) => void,
): Promise<RebuildReport> {
  const head = await datasets.head(ref.id, signal);
  let declared: { readonly select: TransformSelect; readonly inputs: readonly DatasetRef[] } | null = null;
  let [runs, expired] = [0, 0];
  for await (const { seq, hash, block } of datasets.blocks(
    ref.id,
    { from: 0, to: head.seq, newestFirst: false },
    signal,
  )) {
    progress(seq, head.seq);
    if (block.event.kind === "SetTransform") declared = await declaredBy(datasets, parser, block.event, signal);
    if (block.event.kind !== "ExecuteTransform") continue;
    if (declared === null) throw new MillraceError("chain_broken", "A run stands before the transform that it is of.");
    const inputs = await decidedBy(datasets, block.event, signal);
    const snapshot = await datasets.snapshot(ref.id, { kind: "version", seq }, signal);
    const { watermark } = await datasets.snapshot(ref.id, { kind: "version", seq: seq - 1 }, signal);
    const before = { nextOffset: (block.event.prevOffset ?? -1) + 1, schema: snapshot.schema, watermark };
    const { select } = declared;
    // What the clock of a server had a say in is as its block says.
    const moved = (select.emit?.idleMs ?? null) === null ? {} : { watermark: block.event.newWatermark ?? null };
    const decision = { behindSeq: seq - 1, planHash: select.planHash, clock: block.systemTime, inputs, ...moved };
    const target = { ref, ...declared, traceId: ids.uuid() as TraceId };
    const made = (await haveExpired(datasets, inputs, signal))
      ? "expired"
      : await runner
          .again(target, { head: before, decision, said: saidRows(block.event, snapshot) }, signal)
          .catch(expiredOrThrow);
    if (made === "expired") expired++;
    else if (made === "same") runs++;
    else {
      const reason = `the run of block ${seq} makes ${made ?? "no rows"}, and its block says ${block.event.newData?.logicalHash ?? "none"}`;
      return { runs, expired, different: { object: `blocks/${hash}`, reason } };
    }
  }
  if (declared === null)
    throw new MillraceError("bad_request", `The dataset ${formatDatasetPath(ref.path)} has no transform.`, {
      hint: "Only what a transform has made can be made again.",
    });
  return { runs, expired, different: null };
}

function saidRows({ newData, prevOffset }: Executed, snapshot: Snapshot): SaidRows | null {
  if (newData === undefined) return null;
  const fromOffset = (prevOffset ?? -1) + 1;
  const belowOffset = newData.offsetInterval.end + 1;
  return { logicalHash: newData.logicalHash, snapshot, decided: { fromOffset, belowOffset } };
}

async function declaredBy(datasets: Datasets, parser: SqlParser, { transform, inputs }: Declared, signal: AbortSignal) {
  const select = await TransformSelect.read(textOfTransform({ transform }), parser, signal);
  const refs = await Promise.all(
    inputs.map(async ({ datasetRef, alias }) => {
      const ref = await datasets.get(datasetPath(alias ?? ""));
      if (ref.id === datasetRef) return ref;
      throw new MillraceError("dataset_not_found", `The dataset ${alias} is another one than the transform has read.`);
    }),
  );
  return { select, inputs: refs };
}

/** What a block says its run has read. */
export async function decidedBy(
  datasets: Datasets,
  { queryInputs }: Executed,
  signal: AbortSignal,
): Promise<DecidedInput[]> {
  return await Promise.all(
    queryInputs.map(async ({ datasetId, prevBlockHash, newBlockHash, prevOffset, newOffset }) => {
      const block = newBlockHash ?? prevBlockHash;
      const found = block === undefined ? null : await datasets.blockByHash(datasetId, block, signal);
      if (block === undefined || found === null)
        throw new MillraceError("chain_broken", "A run has read a block that its input does not have.");
      const fromOffset = (prevOffset ?? -1) + 1;
      return {
        datasetId,
        readBlock: prevBlockHash ?? null,
        block,
        seq: found.seq,
        fromOffset,
        belowOffset: newOffset === undefined ? fromOffset : newOffset + 1,
      };
    }),
  );
}

/** Whether rows that a run has read are gone. */
async function haveExpired(datasets: Datasets, inputs: readonly DecidedInput[], signal: AbortSignal): Promise<boolean> {
  for (const { datasetId, fromOffset, belowOffset } of inputs)
    if (belowOffset > fromOffset && (await datasets.head(datasetId, signal)).expiredBefore > fromOffset) return true;
  return false;
}

function expiredOrThrow(error: unknown): "expired" {
  if (error instanceof MillraceError && error.code === "data_expired") return "expired";
  throw error;
}
