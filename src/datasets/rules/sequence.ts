import type { Rule } from "./rule.ts";

/** Sequence numbers count from 0 without a gap. */
export const sequence: Rule = (before, block) =>
  block.sequenceNumber === before.seq + 1
    ? null
    : `its sequence number is ${block.sequenceNumber}, not ${before.seq + 1}`;
