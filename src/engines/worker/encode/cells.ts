import { type DuckDBDataChunk, type DuckDBType, DuckDBTypeId, type DuckDBValue } from "@duckdb/node-api";
import { isValid, type RawVector, rawVector } from "../columns.ts";

/**
 * A column's values as text. Types that results are full of are read from the vector's memory; `write` is asked for all
 * others, and for values beyond the reach of a double. Both give the same text (a test compares them).
 */
export function cells(
  chunk: DuckDBDataChunk,
  index: number,
  rows: number,
  type: DuckDBType,
  absent: string,
  quote: string,
  write: (value: DuckDBValue) => string,
): string[] {
  const texts = new Array<string>(rows);
  const vector = chunk.getColumnVector(index);
  const written = (row: number) => write(vector.getItem(row));
  const fast = fastText(chunk, index, rows, type, quote);
  for (let row = 0; row < rows; row++) {
    if (fast === null) texts[row] = written(row);
    else if (!isValid(fast.validity, row)) texts[row] = absent;
    else texts[row] = fast.text(row) ?? written(row);
  }
  return texts;
}

interface FastText {
  readonly validity: Uint8Array | null;
  /** null: not to be told from here. */
  text(row: number): string | null;
}

function fastText(
  chunk: DuckDBDataChunk,
  index: number,
  rows: number,
  type: DuckDBType,
  quote: string,
): FastText | null {
  switch (type.typeId) {
    case DuckDBTypeId.INTEGER: {
      const raw = rawVector(chunk, index, rows, 4);
      const values = new Int32Array(aligned(raw), 0, rows);
      return { validity: raw.validity, text: (row) => `${values[row]}` };
    }
    case DuckDBTypeId.BIGINT: {
      const raw = rawVector(chunk, index, rows, 8);
      const whole = safeWholes(raw, rows);
      return {
        validity: raw.validity,
        text: (row) => {
          const value = whole(row);
          return value === null ? null : `${value}`;
        },
      };
    }
    case DuckDBTypeId.DOUBLE: {
      const raw = rawVector(chunk, index, rows, 8);
      const values = new Float64Array(aligned(raw), 0, rows);
      return {
        validity: raw.validity,
        text: (row) => {
          const value = values[row] ?? 0;
          return value === 0 || !Number.isFinite(value) ? null : `${value}`;
        },
      };
    }
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_TZ: {
      const raw = rawVector(chunk, index, rows, 8);
      const micros = safeWholes(raw, rows);
      const end = (type.typeId === DuckDBTypeId.TIMESTAMP_TZ ? "Z" : "") + quote;
      const clock = new ClockText();
      return {
        validity: raw.validity,
        text: (row) => {
          const text = clock.text(micros(row));
          return text === null ? null : quote + text + end;
        },
      };
    }
    default:
      return null;
  }
}

function aligned({ data }: RawVector): ArrayBuffer {
  return new Uint8Array(data).buffer;
}

/** 64-bit whole numbers as doubles; null beyond 2^53 - 1. */
function safeWholes(raw: RawVector, rows: number): (row: number) => number | null {
  const words = new Int32Array(aligned(raw), 0, rows * 2);
  return (row) => {
    const value = (words[row * 2 + 1] ?? 0) * 0x1_0000_0000 + ((words[row * 2] ?? 0) >>> 0);
    return Number.isSafeInteger(value) ? value : null;
  };
}

const twoDigits = Array.from({ length: 100 }, (_, n) => String(n).padStart(2, "0"));
const earliestSecond = -62_167_219_200;
const latestSecond = 253_402_300_799;

/** Microseconds since the epoch as ISO 8601 with six digits. Neighbours share their day, so its text is kept. */
class ClockText {
  #day = Number.NaN;
  #date = "";

  text(micros: number | null): string | null {
    if (micros === null) return null;
    const seconds = Math.floor(micros / 1_000_000);
    if (seconds < earliestSecond || seconds > latestSecond) return null;
    const day = Math.floor(seconds / 86_400);
    if (day !== this.#day) {
      this.#day = day;
      this.#date = new Date(day * 86_400_000).toISOString().slice(0, 11);
    }
    const second = seconds - day * 86_400;
    const fraction = micros - seconds * 1_000_000;
    const time = `${twoDigits[Math.floor(second / 3600)]}:${twoDigits[Math.floor(second / 60) % 60]}:${twoDigits[second % 60]}`;
    return `${this.#date}${time}.${fraction === 0 ? "000000" : String(fraction).padStart(6, "0")}`;
  }
}
