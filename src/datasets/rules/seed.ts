import type { Rule } from "./rule.ts";

/** The first block, and no other, says whose chain it is: that of the dataset in whose place it lies. */
export const seed: Rule = (before, { event }) => {
  if (before.seq >= 0) return event.kind === "Seed" ? "a second Seed" : null;
  if (event.kind !== "Seed") return "a chain begins with Seed";
  return event.datasetId === before.id ? null : `it is the seed of ${event.datasetId}`;
};
