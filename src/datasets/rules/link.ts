import type { Rule } from "./rule.ts";

/** Every block names the hash of the one before it; the first names none. */
export const link: Rule = (before, block) =>
  block.prevBlockHash === before.head
    ? null
    : `it follows ${block.prevBlockHash ?? "nothing"}, not ${before.head ?? "nothing"}`;
