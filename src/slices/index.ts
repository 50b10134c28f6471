export { isChangelog, isRetracts, retractsField, userColumns } from "./changelog.ts";
export { type CopyColumn, copyColumns, type FieldId } from "./copy-columns.ts";
export {
  type DataField,
  type DataSchema,
  type DataType,
  dataSchema,
  type Extra,
  type TimeUnit,
  timeUnits,
} from "./data-schema.ts";
export { LogicalDigest } from "./digest.ts";
export { duckdbTypeName, parseDuckdbType } from "./duckdb-type.ts";
export { digestLeaves, type Leaf, type LeafEncoding, leafCast } from "./leaves.ts";
export type { NestedVector } from "./lists.ts";
export { duckdbType, fieldFromDuckdb, ownColumns, schemaWith, systemColumns, systemFields } from "./mapping.ts";
export {
  isMultihash,
  type Multihash,
  multihash,
  multihashBytes,
  multihashFromBytes,
  multihashOfDigest,
  sha3Multihash,
} from "./multihash.ts";
export { ident, literal, timestampLiteral } from "./quote.ts";
export { sliceOptions } from "./slice-options.ts";
export { sliceType } from "./slice-type.ts";
export { evolutionProblem, mayBecome, widen } from "./widen.ts";
