import { type DuckDBDataChunk, type DuckDBType, DuckDBTypeId, type DuckDBValue } from "@duckdb/node-api";
import { cells } from "./cells.ts";
import { jsonText, plainText } from "./text.ts";

/** A result's column: its name is unique in the result. */
export interface TypedColumn {
  readonly name: string;
  readonly type: DuckDBType;
}

/** Rows of a chunk as JSON objects. Column by column first, because one column's loop is the same for all its values. */
export function jsonRows(
  chunk: DuckDBDataChunk,
  rows: number,
  columns: readonly TypedColumn[],
  between: string,
): string {
  const object = jsonObjects(chunk, rows, columns);
  let text = "";
  for (let row = 0; row < rows; row++) text += row > 0 ? between + object(row) : object(row);
  return text;
}

/** The JSON object of each row, from the chunk's first columns. */
export function jsonObjects(
  chunk: DuckDBDataChunk,
  rows: number,
  columns: readonly TypedColumn[],
): (row: number) => string {
  const labels = columns.map((column, index) => `${index === 0 ? "{" : ","}${JSON.stringify(column.name)}:`);
  const texts = columns.map(({ type }, index) => {
    const write = isText(type)
      ? (value: DuckDBValue) => JSON.stringify(value)
      : (value: DuckDBValue) => jsonText(value, type);
    return cells(chunk, index, rows, type, "null", '"', write);
  });
  return (row) => {
    let text = "";
    for (let column = 0; column < texts.length; column++) text += `${labels[column]}${texts[column]?.[row]}`;
    return `${text}}`;
  };
}

/** RFC 4180 with `\n`: NULL is nothing, the empty text is `""`. */
export function csvRows(chunk: DuckDBDataChunk, rows: number, columns: readonly TypedColumn[]): string {
  const texts = columns.map(({ type }, index) => {
    const write = (value: DuckDBValue) => (value === null ? "" : quoted(plainText(value, type)));
    return cells(chunk, index, rows, type, "", "", write);
  });
  let text = "";
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < texts.length; column++) text += `${column > 0 ? "," : ""}${texts[column]?.[row]}`;
    text += "\n";
  }
  return text;
}

export function csvHeader(columns: readonly TypedColumn[]): string {
  return `${columns.map((column) => quoted(column.name)).join(",")}\n`;
}

function isText(type: DuckDBType): boolean {
  return type.typeId === DuckDBTypeId.VARCHAR && type.alias === undefined;
}

/** As DuckDB writes a type, but JSON by its own name. */
export function typeName(type: DuckDBType): string {
  return type.alias ?? type.toString();
}

function quoted(text: string): string {
  return text === "" || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
