import type { Rule } from "./rule.ts";

/** AddData adds something: data, a checkpoint, a source state, a watermark that moves, or attributes. */
export const notEmpty: Rule = (before, { event }) => {
  if (event.kind !== "AddData") return null;
  const moves = event.newWatermark !== undefined && event.newWatermark !== before.watermark;
  const adds = [event.newData, event.newCheckpoint, event.newSourceState, event.extra].some(
    (part) => part !== undefined,
  );
  return adds || moves ? null : "it adds nothing";
};
