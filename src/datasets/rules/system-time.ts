import type { Rule } from "./rule.ts";

/** System time never goes back, also when a clock does. */
export const systemTime: Rule = (before, block) =>
  before.systemTime === null || block.systemTime >= before.systemTime
    ? null
    : "its system time is before that of the block before it";
