import type { Rule } from "./rule.ts";

/** A run or ingestion goes on from the checkpoint that the last one left. */
export const checkpoint: Rule = (before, { event }) => {
  if (event.kind !== "AddData" && event.kind !== "ExecuteTransform") return null;
  return (event.prevCheckpoint ?? null) === before.checkpoint
    ? null
    : `its previous checkpoint is ${event.prevCheckpoint ?? "none"}, not ${before.checkpoint ?? "none"}`;
};
