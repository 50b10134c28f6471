import { createHash, type Hash } from "node:crypto";
import type { DataField } from "./data-schema.ts";
import { encodingOf, type LeafEncoding, withoutOption } from "./leaves.ts";
import { ListWeaver, type NestedVector } from "./lists.ts";
import { typeCode, u64 } from "./type-code.ts";
import { type ReadMemory, sharedWeaver } from "./weaver.ts";

interface Column {
  readonly hash: Hash;
  readonly encoding: LeafEncoding;
}

/**
 * The logical hash of a slice: arrow-digest's RecordDigestV0 over sha3-256 (ODF RFC 002, repository kamu-data/arrow-digest).
 * It depends on the rows alone, not on how they are cut into batches or encoded:
 * - a hash over the schema (each field, structs depth first: u64 length of the name, name, u64 level), then over
 * - one hash a leaf column: the type's code, then each value: fixed-width little-endian bytes; text and bytes as u64
 *   length and content; booleans as 1 (false) or 2 (true); lists as u64 length and items; null as a single 0.
 * Columns that arrow-digest has no rule for (maps, intervals, lists of structs) are hashed as texts of their JSON.
 */
export class LogicalDigest {
  readonly #record = createHash("sha3-256");
  readonly #columns: Column[] = [];
  readonly #weaver = sharedWeaver();
  readonly #lists = new ListWeaver(this.#weaver);

  constructor(fields: readonly DataField[]) {
    this.#walk(fields, 0);
  }

  /**
   * Feeds the next rows of a leaf column (leaves count from 0, structs taken apart: `digestLeaves`) from a vector in the
   * engine's layout, whose values have the type that `leafCast` names. A null struct must make its leaves null.
   * `read` is called for texts that are not inline, while the vector's memory lives.
   */
  updateVector(leaf: number, vector: NestedVector, rows: number, read: ReadMemory): void {
    const column = this.#columns[leaf];
    if (column === undefined) throw new RangeError(`the schema has no leaf ${leaf}`);
    for (const bytes of this.#pieces(column.encoding, vector, rows, read)) column.hash.update(bytes);
  }

  /** Feeds the next values of a leaf column, already in the hashed form. */
  update(leaf: number, bytes: Uint8Array): void {
    this.#columns[leaf]?.hash.update(bytes);
  }

  /** 32 bytes. */
  digest(): Uint8Array {
    for (const column of this.#columns) this.#record.update(column.hash.digest());
    return this.#record.digest();
  }

  #pieces(encoding: LeafEncoding, vector: NestedVector, rows: number, read: ReadMemory): Iterable<Uint8Array> {
    switch (encoding.kind) {
      case "fixed":
        return this.#weaver.fixed(vector, rows, encoding.width);
      case "decimal":
        return this.#weaver.fixed(vector, rows, 16);
      case "boolean":
        return this.#weaver.booleans(vector, rows);
      case "text":
      case "binary":
      case "json":
        return this.#weaver.texts(vector, rows, read);
      case "list":
        return [this.#lists.weave(encoding, vector, rows, read).bytes];
    }
  }

  #walk(fields: readonly DataField[], level: number): void {
    for (const { name, type } of fields) {
      const bytes = Buffer.from(name);
      this.#record.update(u64(bytes.length)).update(bytes).update(u64(level));
      const bare = withoutOption(type);
      if (bare.kind === "Struct") {
        this.#walk(bare.fields, level + 1);
        continue;
      }
      const encoding = encodingOf(bare);
      const code = bare.kind === "List" && encoding.kind === "json" ? typeCode({ kind: "String" }) : typeCode(bare);
      this.#columns.push({ hash: createHash("sha3-256").update(code), encoding });
    }
  }
}
