import { MillraceError } from "../../base/index.ts";
import type { StoredBlock } from "../chain/stored-block.ts";
import { follow } from "../chain/tip.ts";
import type { Tip } from "../rules/index.ts";
import { diverged, refused } from "./refusals.ts";

/** The tip behind a block that may follow. @throws replica_refused, replica_diverged */
export function followed(tip: Tip, { hash, block }: StoredBlock): Tip {
  try {
    return follow(tip, hash, block);
  } catch (cause) {
    if (block.prevBlockHash !== tip.head && block.sequenceNumber === tip.seq + 1) throw diverged(tip.seq, hash);
    const why = cause instanceof MillraceError ? cause.data?.problem : undefined;
    throw refused(`block ${block.sequenceNumber} cannot follow${typeof why === "string" ? `: ${why}` : ""}`, cause);
  }
}
