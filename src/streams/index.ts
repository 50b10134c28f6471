export type { DeclaredTransform, TransformRunRecord, TransformState, TransformsOptions } from "./contract.ts";
export { within } from "./select.ts";
export { Transforms } from "./transforms.ts";
