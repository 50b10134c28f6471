import { type DuckDBDataChunk, type DuckDBType, DuckDBTypeId, type DuckDBValue } from "@duckdb/node-api";
import { cells } from "./cells.ts";
import type { Encoder } from "./encoder.ts";
import { jsonObjects, type TypedColumn } from "./lines.ts";
import { plainText } from "./text.ts";

const headBytes = 9;
const noKey = 0xffff_ffff;
/** Half a surrogate pair: no text of DuckDB, which is UTF-8, reads so. */
const absent = "\ud800";

/** Records of keyed rows; see `EntriesFormat`. */
export function entriesEncoder(keyColumns: number, write: (bytes: Uint8Array) => void): Encoder {
  let columns: readonly TypedColumn[] = [];
  return {
    begin(given) {
      columns = given;
    },
    rows(chunk, rows) {
      if (rows > 0) write(records(chunk, rows, columns, keyColumns));
    },
    end() {},
  };
}

function records(
  chunk: DuckDBDataChunk,
  rows: number,
  columns: readonly TypedColumn[],
  keyColumns: number,
): Uint8Array {
  const opAt = columns.length - keyColumns - 1;
  const ops = cells(chunk, opAt, rows, typeAt(columns, opAt), "0", "", (value) => String(value));
  const keys = keyTexts(chunk, rows, columns, opAt + 1);
  const objectOf = jsonObjects(chunk, rows, columns.slice(0, opAt));
  const objects: string[] = [];
  let mostBytes = 0;
  for (let row = 0; row < rows; row++) {
    const isGone = ops[row] === "1" || ops[row] === "2";
    const object = isGone ? "" : objectOf(row);
    objects.push(object);
    mostBytes += headBytes + 3 * ((keys[row]?.length ?? 0) + object.length);
  }
  const bytes = Buffer.allocUnsafe(mostBytes);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    const key = keys[row] ?? null;
    const keyBytes = bytes.write(key ?? "", at + headBytes);
    const objectBytes = bytes.write(objects[row] ?? "", at + headBytes + keyBytes);
    bytes.writeUInt8(Number(ops[row]), at);
    bytes.writeUInt32LE(key === null ? noKey : keyBytes, at + 1);
    bytes.writeUInt32LE(objectBytes, at + 5);
    at += headBytes + keyBytes + objectBytes;
  }
  return bytes.subarray(0, at);
}

/** The key of each row; null where a column of it is null. */
function keyTexts(
  chunk: DuckDBDataChunk,
  rows: number,
  columns: readonly TypedColumn[],
  from: number,
): (string | null)[] {
  const texts = columns.slice(from).map(({ type }, index) => {
    const plain = isText(type) ? (value: DuckDBValue) => String(value) : (value: DuckDBValue) => plainText(value, type);
    return cells(chunk, from + index, rows, type, absent, "", (value) => (value === null ? absent : plain(value)));
  });
  const [first = []] = texts;
  if (texts.length === 1) return first.map((text) => (text === absent ? null : text));
  return first.map((_, row) => {
    const values = texts.map((column) => column[row] ?? absent);
    return values.includes(absent) ? null : values.map((value) => value.replace(/[\\:]/g, "\\$&")).join(":");
  });
}

function typeAt(columns: readonly TypedColumn[], index: number): DuckDBType {
  const column = columns[index];
  if (column === undefined) throw new Error("a statement of entries selects `op` and a key behind a row's columns");
  return column.type;
}

function isText(type: DuckDBType): boolean {
  return type.typeId === DuckDBTypeId.VARCHAR && type.alias === undefined;
}
