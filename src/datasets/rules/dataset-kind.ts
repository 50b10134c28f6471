import type { MetadataEvent } from "../odf/index.ts";
import type { Rule } from "./rule.ts";

const rootOnly: readonly MetadataEvent["kind"][] = [
  "AddData",
  "AddPushSource",
  "SetPollingSource",
  "DisablePushSource",
  "DisablePollingSource",
];
const derivativeOnly: readonly MetadataEvent["kind"][] = ["SetTransform", "ExecuteTransform"];

/** A root dataset takes data from outside, a derivative one from its transform; neither does the other's. */
export const datasetKind: Rule = (before, { event }) => {
  if (before.datasetKind === "Root" && derivativeOnly.includes(event.kind))
    return `a root dataset has no ${event.kind}`;
  if (before.datasetKind === "Derivative" && rootOnly.includes(event.kind))
    return `a derivative dataset has no ${event.kind}`;
  return null;
};
