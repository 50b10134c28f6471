import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { csvColumns } from "../formats/csv-dialect.ts";
import { CsvRecords } from "../formats/csv-records.ts";
import type { Batch } from "./batch.ts";
import { isBlank, linesOf } from "./lines.ts";

/** Longest text of a record that quarantine keeps. */
const longestRaw = 1 << 20;
const writeBytes = 1 << 20;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A record as records.ts reads it. */
interface RecordLine {
  readonly o: number;
  readonly i: number;
  readonly n: number;
  readonly r: string;
  readonly e: string | null;
  readonly v?: Readonly<Record<string, string | null>>;
}

/** Writes the records of a batch one JSON object a line; `limit` stops after so many. Tells how many it wrote. */
export async function writeRecords(batch: Batch, path: string, limit = Number.POSITIVE_INFINITY): Promise<number> {
  await using file = await open(path, "w", 0o600);
  const writer = new RecordWriter(file, limit);
  for (const [index, entry] of batch.entries.entries()) {
    if (batch.format.kind === "csv") await writeCsv(writer, batch, index);
    else {
      let line = entry.firstLine - 1;
      for await (const raw of linesOf(entry.path)) {
        line++;
        if (isBlank(raw)) continue;
        const { text, problem } = decode(line === 1 ? withoutMark(raw) : raw);
        await writer.add({ i: index, n: line, r: text, e: problem });
        if (writer.full) break;
      }
    }
  }
  await writer.flush();
  return writer.count;
}

class RecordWriter {
  readonly #file: FileHandle;
  readonly #limit: number;
  #held: string[] = [];
  #heldLength = 0;
  count = 0;

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

async function writeCsv(writer: RecordWriter, batch: Batch, index: number): Promise<void> {
  const entry = batch.entries[index];
  if (entry === undefined || batch.format.kind !== "csv") return;
  const { delimiter, header } = batch.format;
  const records = new CsvRecords(delimiter);
  const found: { fields: string[] | null; problem: string | null; raw: Uint8Array; line: number }[] = [];
  let names: string[] | null = null;
  const drain = async () => {
    for (const record of found.splice(0)) {
      if (names === null) {
        names = csvColumns({ delimiter, header }, record.fields ?? []);
        if (header) continue;
      }
      const { text, problem } = decode(record.raw);
      const wrong =
        problem ??
        record.problem ??
        (record.fields?.length === names.length ? null : `${record.fields?.length} fields, not ${names.length}`);
      const n = record.line + entry.firstLine - 1;
      // An empty field is no value; CSV has no other way to say so.
      const v = Object.fromEntries(
        names.map((name, at) => [name, record.fields?.[at] === "" ? null : (record.fields?.[at] ?? null)]),
      );
      await writer.add(wrong === null ? { i: index, n, r: text, e: null, v } : { i: index, n, r: text, e: wrong });
    }
  };
  for await (const chunk of createReadStream(entry.path, { highWaterMark: 1 << 20 })) {
    records.push(chunk, (record) => found.push({ ...record, raw: record.raw.slice() }));
    await drain();
    if (writer.full) return;
  }
  records.end((record) => found.push({ ...record, raw: record.raw.slice() }));
  await drain();
}

function decode(raw: Uint8Array): { text: string; problem: string | null } {
  const bytes = raw.at(-1) === 13 ? raw.subarray(0, -1) : raw;
  if (bytes.length > longestRaw)
    return {
      text: Buffer.from(bytes.subarray(0, longestRaw)).toString("utf8"),
      problem: "the record is longer than 1 MiB",
    };
  try {
    return { text: utf8.decode(bytes), problem: null };
  } catch {
    return { text: Buffer.from(bytes).toString("latin1"), problem: "not valid UTF-8" };
  }
}

function withoutMark(raw: Uint8Array): Uint8Array {
  return raw[0] === 0xef && raw[1] === 0xbb && raw[2] === 0xbf ? raw.subarray(3) : raw;
}
