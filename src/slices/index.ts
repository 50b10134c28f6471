export {
  type DataField,
  type DataSchema,
  type DataType,
  dataSchema,
  dataType,
  type Extra,
  type TimeUnit,
  timeUnits,
} from "./data-schema.ts";
export { digestLeaves, type Leaf, type LeafEncoding, LogicalDigest, withoutOption } from "./digest.ts";
export { type DuckdbType, duckdbTypeName, parseDuckdbType } from "./duckdb-type.ts";
export { duckdbType, fieldFromDuckdb, ownColumns, schemaWith, systemColumns, systemFields } from "./mapping.ts";
export {
  type Multihash,
  multihash,
  multihashBytes,
  multihashFromBytes,
  multihashOfDigest,
  sha3Multihash,
} from "./multihash.ts";
export { evolutionProblem, widen } from "./widen.ts";
