import type { DataField, DataType } from "./data-schema.ts";

/** How a leaf's values are brought into the hashed form. */
export type LeafEncoding =
  | { readonly kind: "fixed"; readonly width: 1 | 2 | 4 | 8 }
  /** 128 bits, two's complement. */
  | { readonly kind: "decimal"; readonly scale: number }
  | { readonly kind: "boolean" }
  | { readonly kind: "text" }
  | { readonly kind: "binary" }
  | { readonly kind: "list"; readonly item: LeafEncoding }
  | { readonly kind: "json" };

export interface Leaf {
  /** Names from the column down. */
  readonly path: readonly string[];
  readonly encoding: LeafEncoding;
}

/** The leaves of a schema in the order of the digest. */
export function digestLeaves(fields: readonly DataField[], above: readonly string[] = []): Leaf[] {
  return fields.flatMap(({ name, type }) => {
    const bare = withoutOption(type);
    const path = [...above, name];
    return bare.kind === "Struct" ? digestLeaves(bare.fields, path) : [{ path, encoding: encodingOf(bare) }];
  });
}

export function withoutOption(type: DataType): DataType {
  return type.kind === "Option" ? withoutOption(type.inner) : type;
}

/** The type that a leaf's values must be cast to before their vectors are fed, or null where they are as they must be. */
export function leafCast(encoding: LeafEncoding): string | null {
  switch (encoding.kind) {
    case "decimal":
      return `DECIMAL(38,${encoding.scale})`;
    case "text":
      return "VARCHAR";
    case "list": {
      const item = leafCast(encoding.item);
      return item === null ? null : `${item}[]`;
    }
    default:
      return null;
  }
}

export function encodingOf(type: DataType): LeafEncoding {
  switch (type.kind) {
    case "Bool":
      return { kind: "boolean" };
    case "Int8":
    case "UInt8":
      return { kind: "fixed", width: 1 };
    case "Int16":
    case "UInt16":
    case "Float16":
      return { kind: "fixed", width: 2 };
    case "Int32":
    case "UInt32":
    case "Float32":
    case "Date":
      return { kind: "fixed", width: 4 };
    case "Int64":
    case "UInt64":
    case "Float64":
    case "Timestamp":
    case "Time":
      return { kind: "fixed", width: 8 };
    case "Decimal":
      return { kind: "decimal", scale: type.scale };
    case "String":
      return { kind: "text" };
    case "Binary":
      return { kind: "binary" };
    case "List": {
      // arrow-digest has no rule for lists of structs or of anything else that it cannot hash alone.
      const item = encodingOf(withoutOption(type.itemType));
      return item.kind === "json" ? item : { kind: "list", item };
    }
    case "Option":
      return encodingOf(type.inner);
    case "Struct":
    case "Map":
    case "Duration":
    case "Null":
      return { kind: "json" };
  }
}
