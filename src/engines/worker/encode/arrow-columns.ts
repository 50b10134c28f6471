import { type DuckDBDataChunk, DuckDBDecimalType, type DuckDBType, DuckDBTypeId } from "@duckdb/node-api";
import * as arrow from "apache-arrow";
import { isValid, rawVector, TextVector } from "../columns.ts";
import { Growing } from "./growing.ts";
import { plainText } from "./text.ts";

/** Gathers one column of a record batch from DuckDB's vectors. */
export interface ArrowColumn {
  readonly type: arrow.DataType;
  /** Of what is gathered. */
  readonly sizeBytes: number;
  append(chunk: DuckDBDataChunk, column: number, rows: number): void;
  /** What was gathered since the last call. */
  take(rows: number): arrow.Data;
}

/**
 * | DuckDB | Arrow |
 * |---|---|
 * | whole numbers to 64 bits, FLOAT, DOUBLE, DATE, TIME, TIMESTAMP of any unit | the same |
 * | DECIMAL; HUGEINT | Decimal128; with scale 0 |
 * | BOOLEAN, VARCHAR, BLOB | Bool, Utf8, Binary |
 * | all others | Utf8: the text of `csv`, nested values as JSON |
 */
export function arrowColumn(type: DuckDBType): ArrowColumn {
  const { TimeUnit } = arrow;
  switch (type.typeId) {
    case DuckDBTypeId.TINYINT:
      return new FixedColumn(new arrow.Int8(), 1);
    case DuckDBTypeId.SMALLINT:
      return new FixedColumn(new arrow.Int16(), 2);
    case DuckDBTypeId.INTEGER:
      return new FixedColumn(new arrow.Int32(), 4);
    case DuckDBTypeId.BIGINT:
      return new FixedColumn(new arrow.Int64(), 8);
    case DuckDBTypeId.UTINYINT:
      return new FixedColumn(new arrow.Uint8(), 1);
    case DuckDBTypeId.USMALLINT:
      return new FixedColumn(new arrow.Uint16(), 2);
    case DuckDBTypeId.UINTEGER:
      return new FixedColumn(new arrow.Uint32(), 4);
    case DuckDBTypeId.UBIGINT:
      return new FixedColumn(new arrow.Uint64(), 8);
    case DuckDBTypeId.FLOAT:
      return new FixedColumn(new arrow.Float32(), 4);
    case DuckDBTypeId.DOUBLE:
      return new FixedColumn(new arrow.Float64(), 8);
    case DuckDBTypeId.DATE:
      return new FixedColumn(new arrow.DateDay(), 4);
    case DuckDBTypeId.TIME:
      return new FixedColumn(new arrow.TimeMicrosecond(), 8);
    case DuckDBTypeId.TIMESTAMP:
      return new FixedColumn(new arrow.Timestamp(TimeUnit.MICROSECOND, null), 8);
    case DuckDBTypeId.TIMESTAMP_TZ:
      return new FixedColumn(new arrow.Timestamp(TimeUnit.MICROSECOND, "UTC"), 8);
    case DuckDBTypeId.TIMESTAMP_S:
      return new FixedColumn(new arrow.Timestamp(TimeUnit.SECOND, null), 8);
    case DuckDBTypeId.TIMESTAMP_MS:
      return new FixedColumn(new arrow.Timestamp(TimeUnit.MILLISECOND, null), 8);
    case DuckDBTypeId.TIMESTAMP_NS:
      return new FixedColumn(new arrow.Timestamp(TimeUnit.NANOSECOND, null), 8);
    case DuckDBTypeId.HUGEINT:
      return new FixedColumn(new arrow.Decimal(0, 38, 128), 16);
    case DuckDBTypeId.DECIMAL:
      return type instanceof DuckDBDecimalType ? new DecimalColumn(type) : new WrittenColumn(type);
    case DuckDBTypeId.BOOLEAN:
      return new BooleanColumn();
    case DuckDBTypeId.VARCHAR:
      return new BytesColumn(new arrow.Utf8());
    case DuckDBTypeId.BLOB:
      return new BytesColumn(new arrow.Binary());
    default:
      return new WrittenColumn(type);
  }
}

/** Which rows hold a value, as Arrow's bits. */
class Validity {
  #bits = new Growing(1024);
  #rows = 0;

  append(validity: Uint8Array | null, rows: number): void {
    const bits = this.#bits.reserve(Math.ceil((this.#rows + rows) / 8) - this.#bits.length);
    if (validity !== null && this.#rows % 8 === 0) bits.set(validity.subarray(0, Math.ceil(rows / 8)), this.#rows / 8);
    else for (let row = 0; row < rows; row++) this.#put(bits, this.#rows + row, isValid(validity, row));
    this.#rows += rows;
  }

  push(valid: boolean): void {
    const bits = this.#bits.reserve(this.#rows % 8 === 0 ? 1 : 0);
    this.#put(bits, this.#rows++, valid);
  }

  take(): Uint8Array {
    this.#rows = 0;
    return this.#bits.take();
  }

  #put(bits: Uint8Array, at: number, valid: boolean): void {
    const mask = 1 << (at & 7);
    bits[at >> 3] = valid ? (bits[at >> 3] ?? 0) | mask : (bits[at >> 3] ?? 0) & ~mask;
  }
}

class FixedColumn implements ArrowColumn {
  readonly type: arrow.DataType;
  readonly #width: number;
  readonly #values = new Growing(64 << 10);
  readonly #validity = new Validity();

  constructor(type: arrow.DataType, width: number) {
    this.type = type;
    this.#width = width;
  }

  get sizeBytes(): number {
    return this.#values.length;
  }

  append(chunk: DuckDBDataChunk, column: number, rows: number): void {
    const { data, validity } = rawVector(chunk, column, rows, this.#width);
    this.#values.append(data);
    this.#validity.append(validity, rows);
  }

  take(rows: number): arrow.Data {
    const values = this.#values.take().buffer;
    return new arrow.Data(this.type, 0, rows, -1, [undefined, new this.type.ArrayType(values), this.#validity.take()]);
  }
}

/** DuckDB keeps a decimal in 2, 4, 8 or 16 bytes by its width; Arrow's has 16. */
class DecimalColumn implements ArrowColumn {
  readonly type: arrow.Decimal;
  readonly #width: number;
  readonly #values = new Growing(64 << 10);
  readonly #validity = new Validity();

  constructor({ width, scale }: DuckDBDecimalType) {
    this.type = new arrow.Decimal(scale, width, 128);
    this.#width = width <= 4 ? 2 : width <= 9 ? 4 : width <= 18 ? 8 : 16;
  }

  get sizeBytes(): number {
    return this.#values.length;
  }

  append(chunk: DuckDBDataChunk, column: number, rows: number): void {
    const { data, validity } = rawVector(chunk, column, rows, this.#width);
    this.#validity.append(validity, rows);
    if (this.#width === 16) {
      this.#values.append(data);
      return;
    }
    const at = this.#values.length;
    const into = this.#values.reserve(rows * 16);
    for (let row = 0; row < rows; row++) {
      const from = row * this.#width;
      const sign = (data[from + this.#width - 1] ?? 0) & 0x80 ? 0xff : 0;
      for (let i = 0; i < 16; i++) into[at + row * 16 + i] = i < this.#width ? (data[from + i] ?? 0) : sign;
    }
  }

  take(rows: number): arrow.Data<arrow.Decimal> {
    const data = new Uint32Array(this.#values.take().buffer);
    return arrow.makeData({ type: this.type, length: rows, nullCount: -1, nullBitmap: this.#validity.take(), data });
  }
}

class BooleanColumn implements ArrowColumn {
  readonly type = new arrow.Bool();
  readonly #values = new Validity();
  readonly #validity = new Validity();
  #rows = 0;

  get sizeBytes(): number {
    return this.#rows / 4;
  }

  append(chunk: DuckDBDataChunk, column: number, rows: number): void {
    const { data, validity } = rawVector(chunk, column, rows, 1);
    for (let row = 0; row < rows; row++) this.#values.push(data[row] === 1);
    this.#validity.append(validity, rows);
    this.#rows += rows;
  }

  take(rows: number): arrow.Data<arrow.Bool> {
    this.#rows = 0;
    const nullBitmap = this.#validity.take();
    return arrow.makeData({ type: this.type, length: rows, nullCount: -1, nullBitmap, data: this.#values.take() });
  }
}

/** Text or bytes: where each value ends, and all of them one after the other. */
abstract class EndsAndBytes {
  readonly ends = new Growing(16 << 10);
  readonly bytes = new Growing(64 << 10);
  readonly validity = new Validity();

  get sizeBytes(): number {
    return this.ends.length + this.bytes.length;
  }

  end(): void {
    const at = this.ends.length;
    const into = this.ends.reserve(4);
    new DataView(into.buffer).setUint32(at, this.bytes.length, true);
  }

  taken() {
    const ends = this.ends.take();
    const valueOffsets = new Int32Array(ends.length / 4 + 1);
    valueOffsets.set(new Int32Array(ends.buffer), 1);
    return { nullCount: -1, nullBitmap: this.validity.take(), valueOffsets, data: this.bytes.take() };
  }
}

class BytesColumn extends EndsAndBytes implements ArrowColumn {
  readonly type: arrow.Utf8 | arrow.Binary;

  constructor(type: arrow.Utf8 | arrow.Binary) {
    super();
    this.type = type;
  }

  append(chunk: DuckDBDataChunk, column: number, rows: number): void {
    const raw = rawVector(chunk, column, rows, 16);
    const texts = new TextVector(raw, rows);
    for (let row = 0; row < rows; row++) {
      if (isValid(raw.validity, row)) {
        const length = texts.length(row);
        const at = this.bytes.length;
        texts.copy(row, this.bytes.reserve(length), at);
      }
      this.end();
    }
    this.validity.append(raw.validity, rows);
  }

  take(rows: number): arrow.Data {
    const { type } = this;
    if (type instanceof arrow.Utf8) return arrow.makeData({ ...this.taken(), type, length: rows });
    return arrow.makeData({ ...this.taken(), type, length: rows });
  }
}

/** Values of types that Arrow lays out otherwise, as text. */
class WrittenColumn extends EndsAndBytes implements ArrowColumn {
  readonly type = new arrow.Utf8();
  readonly #from: DuckDBType;

  constructor(from: DuckDBType) {
    super();
    this.#from = from;
  }

  append(chunk: DuckDBDataChunk, column: number, rows: number): void {
    const vector = chunk.getColumnVector(column);
    for (let row = 0; row < rows; row++) {
      const value = vector.getItem(row);
      if (value !== null) this.bytes.append(Buffer.from(plainText(value, this.#from)));
      this.end();
      this.validity.push(value !== null);
    }
  }

  take(rows: number): arrow.Data<arrow.Utf8> {
    return arrow.makeData({ ...this.taken(), type: this.type, length: rows });
  }
}
