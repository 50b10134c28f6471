import { type DatasetId, type DatasetPath, MillraceError, type Telemetry } from "../../base/index.ts";
import type { Datasets, Head } from "../../datasets/index.ts";
import { isBehind } from "../batching/committer.ts";
import { findIngests } from "../chain-receipts.ts";
import type { DatasetDefinition } from "../contract.ts";
import type { History } from "../history.ts";
import { stagedReceipt } from "../intake.ts";
import type { IdempotencyKeys } from "../keys.ts";
import { committedReceipt, type IngestReceipt, type Receipts } from "../receipts.ts";
import type { StagedEntry, StagingLog } from "../staging/log.ts";
import type { StagedRequests } from "./staged-requests.ts";

export interface RecoveryOptions {
  readonly datasets: Datasets;
  readonly log: StagingLog;
  readonly staged: StagedRequests;
  readonly keys: IdempotencyKeys;
  readonly receipts: Receipts;
  readonly history: History;
  readonly definition: (path: DatasetPath) => Promise<DatasetDefinition>;
  readonly telemetry: Telemetry;
}

/** Takes up an entry that an earlier process left in the log: its rows are in the chain already, or go there now. */
export async function recover(entry: StagedEntry, options: RecoveryOptions): Promise<void> {
  const { header } = entry;
  const datasetId = header.datasetId as DatasetId; // written by us, from a request's
  const head = await headOrNull(options.datasets, datasetId);
  if (head === null || head.seq < 0) {
    const fields = { datasetId, ingestId: header.ingestId };
    options.telemetry.log.warn("rows of a dataset that is gone are dropped", fields);
    await options.log.done(entry);
    return;
  }
  if (isBehind(head, options.staged.sourceState(header.seq))) {
    await keepReceipt(entry, datasetId, head, options);
    await options.log.done(entry);
    return;
  }
  if (header.key !== null) {
    const { key, bodyHash, receivedAtMs: atMs } = header;
    const receipt = stagedReceipt(header.ingestId, header.dataset);
    const claim = { receipt, datasetId, key, logId: options.log.id, atMs };
    if (!(await options.receipts.holds(claim))) {
      // Its append failed at the time, though the bytes were there in the end: nobody was told that it is staged, and the
      // key went to a request that came after it.
      options.telemetry.log.warn("a request whose key went to another is dropped", { datasetId, ingestId: receipt.id });
      await options.log.done(entry);
      return;
    }
    options.keys.take(datasetId, key).resolve({ receipt, bodyHash });
  }
  options.staged.resume(entry, await options.definition(splitPath(header.dataset)));
}

/** Null where the dataset was deleted. */
async function headOrNull(datasets: Datasets, id: DatasetId): Promise<Head | null> {
  try {
    return await datasets.head(id);
  } catch (error) {
    if (error instanceof MillraceError && error.code === "dataset_not_found") return null;
    throw error;
  }
}

/** The process ended between the commit and its receipt, or between that and the end of the entry. */
async function keepReceipt({ header }: StagedEntry, datasetId: DatasetId, head: Head, options: RecoveryOptions) {
  const kept = await options.receipts.get(header.ingestId);
  if (kept !== null && kept.state !== "staged") return; // a claim says "staged", and is ended by the receipt
  const shares = await findIngests(options.datasets, datasetId, [header.ingestId], head.seq);
  const share = shares.get(header.ingestId);
  // The chain has grown too long behind it to be searched: that the rows are in it is known, where they are is not.
  const receipt: IngestReceipt =
    share === undefined
      ? { ...stagedReceipt(header.ingestId, header.dataset), state: "committed" }
      : committedReceipt(header.ingestId, header.dataset, share);
  const { key, bodyHash, receivedAtMs: atMs } = header;
  await options.receipts.save(receipt, { datasetId, key, bodyHash, atMs });
  options.history.committed(header, receipt);
}

/** The header's path was written by us, from a parsed one. */
function splitPath(text: string): DatasetPath {
  const [project = "", dataset = ""] = text.split(".");
  return { project: project as DatasetPath["project"], dataset: dataset as DatasetPath["dataset"] };
}
