import * as flatbuffers from "flatbuffers";
import { MillraceError } from "../../base/index.ts";

/** Deepest nesting of tables, which bounds what hostile bytes can do: a type nests three tables for each of its levels. */
export const maxDepth = 300;

/** A field of a FlatBuffers table, its variable-size part already written. Absent fields are left out of the list. */
export type TableField =
  | { readonly slot: number; readonly kind: "offset"; readonly offset: number }
  | { readonly slot: number; readonly kind: "int8" | "int16" | "int32"; readonly value: number }
  | { readonly slot: number; readonly kind: "int64"; readonly value: number }
  | { readonly slot: number; readonly kind: "timestamp"; readonly epochMs: number };

/**
 * Writes tables byte for byte as the reference implementation does, since a block's name is the hash of its bytes: children
 * first, depth first in order of the schema; then the table's fields in order of the schema.
 */
export class TableWriter {
  readonly #builder = new flatbuffers.Builder(1024);
  #depth = 0;

  /** Writes a table's inside. @throws too_large where it nests deeper than can be read back */
  nested<Result>(write: () => Result): Result {
    if (this.#depth >= maxDepth)
      throw new MillraceError("too_large", "The types of the columns nest too deep to be written down.");
    this.#depth++;
    try {
      return write();
    } finally {
      this.#depth--;
    }
  }

  table(slots: number, fields: readonly (TableField | null)[]): number {
    this.#builder.startObject(slots);
    for (const field of fields) if (field !== null) this.#field(field);
    return this.#builder.endObject();
  }

  string(text: string): number {
    return this.#builder.createString(text);
  }

  bytes(bytes: Uint8Array): number {
    return this.#builder.createByteVector(bytes);
  }

  offsets(items: readonly number[]): number {
    this.#builder.startVector(4, items.length, 4);
    for (const item of items.toReversed()) this.#builder.addOffset(item);
    return this.#builder.endVector();
  }

  finish(root: number): Uint8Array {
    this.#builder.finish(root);
    return this.#builder.asUint8Array();
  }

  #field(field: TableField): void {
    switch (field.kind) {
      case "offset":
        this.#builder.addOffset(field.offset);
        break;
      case "int8":
        this.#builder.addInt8(field.value);
        break;
      case "int16":
        this.#builder.addInt16(field.value);
        break;
      case "int32":
        this.#builder.addInt32(field.value);
        break;
      case "int64":
        this.#builder.addInt64(BigInt(field.value));
        break;
      case "timestamp":
        this.#timestamp(field.epochMs);
        break;
    }
    this.#builder.slot(field.slot);
  }

  /** struct Timestamp {year: int32; ordinal: uint16; seconds_from_midnight: uint32; nanoseconds: uint32}, aligned to 4. */
  #timestamp(epochMs: number): void {
    const at = new Date(epochMs);
    const midnight = Math.floor(epochMs / 86_400_000) * 86_400_000;
    const newYear = new Date(0).setUTCFullYear(at.getUTCFullYear(), 0, 1);
    const bytes = Buffer.alloc(16);
    bytes.writeInt32LE(at.getUTCFullYear(), 0);
    bytes.writeUInt16LE(Math.round((midnight - newYear) / 86_400_000) + 1, 4);
    bytes.writeUInt32LE(Math.floor((epochMs - midnight) / 1000), 8);
    bytes.writeUInt32LE((((epochMs % 1000) + 1000) % 1000) * 1_000_000, 12);
    this.#builder.prep(4, 16);
    for (let i = 15; i >= 0; i--) this.#builder.writeInt8(bytes.readInt8(i));
  }
}
