import type { DuckDBDataChunk } from "@duckdb/node-api";
import { csvHeader, csvRows, jsonRows, type TypedColumn, typeName } from "./lines.ts";

/** What the rows came to, once they are all written. */
export interface EncodedRows {
  readonly rows: number;
  readonly truncated: boolean;
}

/** Turns rows into a format's bytes, in the order begin, any number of rows, end. */
export interface Encoder {
  begin(columns: readonly TypedColumn[]): void;
  rows(chunk: DuckDBDataChunk, rows: number): void;
  end(outcome: EncodedRows): void | Promise<void>;
}

type Write = (bytes: Uint8Array) => void;

/** One object: the envelope's members, `columns`, `rows`, `rowCount`, `truncated`, `elapsedMs`. */
export function jsonEncoder(
  envelope: Readonly<Record<string, unknown>>,
  elapsedMs: () => number,
  write: Write,
): Encoder {
  let columns: readonly TypedColumn[] = [];
  let between = "";
  return {
    begin(given) {
      columns = given;
      const told = columns.map(({ name, type }) => ({ name, type: typeName(type) }));
      write(Buffer.from(`${JSON.stringify({ ...envelope, columns: told }).slice(0, -1)},"rows":[`));
    },
    rows(chunk, rows) {
      if (rows === 0) return;
      write(Buffer.from(between + jsonRows(chunk, rows, columns, ",\n")));
      between = ",\n";
    },
    end({ rows, truncated }) {
      const tail = { rowCount: rows, truncated, elapsedMs: Math.round(elapsedMs() * 100) / 100 };
      write(Buffer.from(`],${JSON.stringify(tail).slice(1)}\n`));
    },
  };
}

/** One object a line. */
export function ndjsonEncoder(write: Write): Encoder {
  let columns: readonly TypedColumn[] = [];
  return {
    begin(given) {
      columns = given;
    },
    rows(chunk, rows) {
      if (rows > 0) write(Buffer.from(`${jsonRows(chunk, rows, columns, "\n")}\n`));
    },
    end() {},
  };
}

/** RFC 4180 with a header line. */
export function csvEncoder(write: Write): Encoder {
  let columns: readonly TypedColumn[] = [];
  return {
    begin(given) {
      columns = given;
      write(Buffer.from(csvHeader(columns)));
    },
    rows(chunk, rows) {
      write(Buffer.from(csvRows(chunk, rows, columns)));
    },
    end() {},
  };
}
