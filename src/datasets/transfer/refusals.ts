import { type DatasetId, MillraceError } from "../../base/index.ts";
import type { MetadataBlock } from "../odf/index.ts";

/** What an origin gave does not prove itself. Nothing of it was made visible. */
export function refused(reason: string, cause?: unknown): MillraceError {
  return new MillraceError("replica_refused", `What the origin gave was refused: ${reason}.`, {
    hint: "Nothing of it is visible here. Ask who keeps the origin; `millrace verify` there tells more.",
    data: { reason },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Two chains of one dataset: whoever holds the older copy must not follow. */
export function diverged(seq: number, hash: string): MillraceError {
  return new MillraceError(
    "replica_diverged",
    `The origin's chain is another one than the copy's from block ${seq} on.`,
    {
      hint: "The origin was rewritten or put back from a backup. Keep this copy, and pull the origin under another platform to compare.",
      data: { seq, hash },
    },
  );
}

export function unnamed(part: string, hash: string, block: string): MillraceError {
  return refused(`the block ${block.slice(0, 100)} names no object ${part.slice(0, 20)}/${hash.slice(0, 100)}`);
}

/** The dataset whose first block it is. @throws replica_refused */
export function checkSeed({ sequenceNumber, prevBlockHash, event }: MetadataBlock): DatasetId {
  if (sequenceNumber === 0 && prevBlockHash === null && event.kind === "Seed") return event.datasetId;
  throw refused("its first block is no seed");
}
