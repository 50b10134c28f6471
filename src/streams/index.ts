export type { InputProgress } from "./behind.ts";
export { chainTransform } from "./chain-transform.ts";
export { modes } from "./classify.ts";
export type {
  DeclaredTransform,
  TransformRunRecord,
  TransformSpec,
  TransformState,
  TransformsOptions,
} from "./contract.ts";
export { PostgresLeases, type RunLeases } from "./leases.ts";
export type { DerivedColumn } from "./lineage.ts";
export { within } from "./refusals.ts";
export { Transforms } from "./transforms.ts";
