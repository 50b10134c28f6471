import type { Rule } from "./rule.ts";

/** The watermark never goes back, and once there stays there. */
export const watermark: Rule = (before, { event }) => {
  if ((event.kind !== "AddData" && event.kind !== "ExecuteTransform") || before.watermark === null) return null;
  if (event.newWatermark === undefined) return "it drops the watermark";
  return event.newWatermark >= before.watermark ? null : "its watermark goes back";
};
