import type { Rule } from "./rule.ts";

/** The first block, and no other, says whose chain it is. */
export const seed: Rule = (before, block) => {
  const isSeed = block.event.kind === "Seed";
  if (before.seq < 0) return isSeed ? null : "a chain begins with Seed";
  return isSeed ? "a second Seed" : null;
};
