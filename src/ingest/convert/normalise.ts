import { isUtf8 } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import { csvColumns } from "../formats/csv-dialect.ts";
import { type CsvRecord, CsvRecords, withoutMark } from "../formats/csv-records.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import type { Batch, BatchEntry } from "./batch.ts";
import { textFields } from "./fields.ts";
import { chunksOf, isBlank, linesOf } from "./lines.ts";

const writeBytes = 1 << 20;

/** A record as records.ts reads it. */
interface RecordLine {
  readonly o: number;
  readonly i: number;
  readonly n: number;
  readonly r: string;
  readonly e: string | null;
  readonly v?: readonly (string | null)[];
}

/** A file of records. */
export interface Records {
  readonly path: string;
  readonly count: number;
  /** Names of the fields that every record has; null where each record names its own (NDJSON). */
  readonly fields: readonly string[] | null;
  /** Bytes of its longest line: how much DuckDB must hold at once. */
  readonly longestBytes: number;
}

/**
 * Writes the records of a batch one JSON object a line; `limit` stops after so many. Whatever the bodies hold, what is
 * written is valid JSON: text that is no UTF-8 is kept as Latin-1, which loses no byte.
 */
export async function writeRecords(batch: Batch, path: string, limit = Number.POSITIVE_INFINITY): Promise<Records> {
  await using file = await open(path, "w", 0o600);
  const writer = new RecordWriter(file, limit);
  const fields = await writeEntries(writer, batch);
  await writer.flush();
  return { path, count: writer.count, fields, longestBytes: writer.longestBytes };
}

async function writeEntries(writer: RecordWriter, { path, entries, format }: Batch): Promise<Records["fields"]> {
  if (format.kind === "csv") {
    const [entry] = entries;
    // Each body has a header of its own, so no two are read as one.
    if (entry === undefined || entries.length !== 1) throw new Error("bodies of CSV come alone");
    return await writeCsv(writer, path, entry, format);
  }
  for (const [index, entry] of entries.entries()) {
    if (writer.full) break;
    await writeLines(writer, path, entry, index, format.kind);
  }
  return format.kind === "text" ? textFields(format).names : null;
}

class RecordWriter {
  readonly #file: FileHandle;
  readonly #limit: number;
  #held: string[] = [];
  #heldLength = 0;
  count = 0;
  longestBytes = 0;

  constructor(file: FileHandle, limit: number) {
    this.#file = file;
    this.#limit = limit;
  }

  get full(): boolean {
    return this.count >= this.#limit;
  }

  async add(record: Omit<RecordLine, "o">): Promise<void> {
    if (this.full) return;
    const line = `${JSON.stringify({ o: this.count++, ...record })}\n`;
    // Most lines are short: only one that might be the longest is measured.
    if (line.length * 3 > this.longestBytes) this.longestBytes = Math.max(this.longestBytes, Buffer.byteLength(line));
    this.#held.push(line);
    this.#heldLength += line.length;
    if (this.#heldLength > writeBytes) await this.flush();
  }

  async flush(): Promise<void> {
    await this.#file.write(this.#held.join(""));
    this.#held = [];
    this.#heldLength = 0;
  }
}

async function writeLines(
  writer: RecordWriter,
  path: string,
  entry: BatchEntry,
  index: number,
  kind: ResolvedFormat["kind"],
): Promise<void> {
  for await (const { bytes, number, tooLong } of linesOf(path, entry.start, entry.sizeBytes)) {
    if (isBlank(bytes)) continue;
    // Files of JSON that were put together keep the mark that each began with; in a text it is a character.
    const { text, problem } = decode(number === 1 || kind === "ndjson" ? withoutMark(bytes) : bytes);
    const e = tooLong ? "the record is longer than 32 MiB" : problem;
    const r = kind === "ndjson" ? trim(text) : text;
    await writer.add({ i: index, n: entry.firstLine + number - 1, r, e });
    if (writer.full) return;
  }
}

async function writeCsv(
  writer: RecordWriter,
  path: string,
  entry: BatchEntry,
  dialect: { delimiter: string; header: boolean },
): Promise<readonly string[]> {
  const records = new CsvRecords(dialect.delimiter);
  const found: CsvRecord[] = [];
  const take = (record: CsvRecord) => found.push({ ...record, raw: record.raw.slice() });
  let names: readonly string[] | null = null;
  const drain = async () => {
    for (const record of found.splice(0)) {
      if (names === null) {
        names = csvColumns(dialect, record.fields ?? []);
        if (dialect.header && record.fields !== null) continue;
      }
      await writer.add({ i: 0, ...csvRecord(record, names, entry.firstLine) });
    }
  };
  for await (const chunk of chunksOf(path, entry.start, entry.sizeBytes)) {
    records.push(chunk, take);
    await drain();
    if (writer.full) return names ?? [];
  }
  records.end(take);
  await drain();
  return names ?? [];
}

function csvRecord(record: CsvRecord, names: readonly string[], firstLine: number): Omit<RecordLine, "o" | "i"> {
  const { text, problem } = decode(record.raw);
  const fields = record.fields ?? [];
  const width = fields.length === names.length ? null : `${fields.length} fields, not ${names.length}`;
  const e = problem ?? record.problem ?? width;
  const line = { n: record.line + firstLine - 1, r: text, e };
  if (e !== null) return line;
  // An empty field is no value; CSV has no other way to say so.
  return { ...line, v: fields.map((field) => (field === "" ? null : field)) };
}

function decode(bytes: Uint8Array): { text: string; problem: string | null } {
  const end = bytes.at(-1) === 13 ? bytes.length - 1 : bytes.length;
  const line = Buffer.from(bytes.buffer, bytes.byteOffset, end);
  if (isUtf8(line)) return { text: line.toString("utf8"), problem: null };
  return { text: line.toString("latin1"), problem: "not valid UTF-8" };
}

/** Blanks that DuckDB's reader passes over, but its cast to JSON does not. */
function trim(text: string): string {
  return /[\f\v]/.test(text) ? text.replace(/^[\t-\r ]+|[\t-\r ]+$/g, "") : text;
}
