import path from "node:path";
import { pipeline, Readable } from "node:stream";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { z } from "zod";
import {
  type Clock,
  type Disk,
  deadlineSignal,
  type IdSource,
  MillraceError,
  Semaphore,
  type TraceId,
} from "../base/index.ts";
import type { Engine, EngineRow } from "../engines/index.ts";
import { ident, literal } from "../slices/index.ts";
import type { Converted } from "./convert/batch.ts";
import { convert } from "./convert/convert.ts";
import { typeName } from "./convert/types.ts";
import { CsvBreaks } from "./formats/csv-breaks.ts";
import { detectEncoding, detectFormat, detectionBytes, type ResolvedFormat } from "./formats/detect.ts";
import { JsonElements } from "./formats/json-elements.ts";
import { type Encoding, type FormatSpec, headBytesOf } from "./formats/spec.ts";
import { resolved } from "./intake.ts";

/** Of its content: a few bytes of gzip can stand for very many. */
const contentBytes = 4 << 20;
const mostRows = 20;
const mostProblems = 20;
const atOnce = 2;
const mostWaiting = 16;
const longestMs = 20_000;
const lineFeed = 10;

/** What an import would make of a file. */
export interface Preview {
  readonly format: FormatSpec;
  readonly encoding: Encoding;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly EngineRow[];
  readonly problems: readonly PreviewProblem[];
}
export interface PreviewProblem {
  /** null: of the file as a whole. */
  readonly line: number | null;
  readonly column: string | null;
  readonly reason: string;
  readonly raw: string | null;
}

export interface PreviewFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The bytes are the file's beginning: what its last record lacks is no problem. */
  readonly isCut: boolean;
  /** null: found out. */
  readonly format: FormatSpec | null;
}

export interface PreviewsOptions {
  readonly engine: Engine;
  readonly disk: Disk;
  readonly ids: IdSource;
  readonly clock: Clock;
  /** Ingest's own folder for staging. */
  readonly directory: string;
}

const problemRow = z.object({
  line: z.coerce.number().nullable(),
  column: z.string().nullable(),
  reason: z.string(),
  raw: z.string().nullable(),
});

/** Shows what an import would make of a file's beginning, with the import's own detection and conversion. Keeps nothing. */
export class Previews {
  readonly #options: PreviewsOptions;
  readonly #turns = new Semaphore(atOnce);

  constructor(options: PreviewsOptions) {
    this.#options = options;
  }

  /**
   * @throws unknown_format, bad_input, bad_request, too_many_requests, query_timeout
   */
  async preview(
    file: PreviewFile,
    call: { readonly traceId: TraceId; readonly signal: AbortSignal },
  ): Promise<Preview> {
    if (this.#turns.waiting >= mostWaiting) {
      throw new MillraceError("too_many_requests", "Too many files are being previewed.", { retryAfterS: 2 });
    }
    const tooLong = () => new MillraceError("query_timeout", "The preview took too long.");
    using deadline = deadlineSignal(this.#options.clock, longestMs, tooLong, call.signal);
    using _turn = await this.#turns.acquire(deadline.signal);
    const encoding = detectEncoding(file.bytes);
    const { content, isCut } = await contentOf(file, encoding);
    const first = content.subarray(0, detectionBytes);
    if ((first[0] === 0xff && first[1] === 0xfe) || (first[0] === 0xfe && first[1] === 0xff)) {
      throw new MillraceError("bad_input", "The file is text in UTF-16.", { hint: "Save it in UTF-8." });
    }
    const detected = file.format ?? detectFormat(file.name, first);
    const format = resolved(detected, first);
    // Elements of an array are lines by then; people call it JSON.
    const shown = { format: detected.kind === "json" ? detected : format, encoding };
    if (isCut && (format.kind === "parquet" || format.kind === "arrow")) {
      const reason = "Only the whole file tells its columns.";
      return { ...shown, columns: [], rows: [], problems: [{ line: null, column: null, reason, raw: null }] };
    }
    const records = wholeRecords(content, detected, format, isCut);
    return { ...shown, ...(await this.#convert(records, format, { ...call, signal: deadline.signal })) };
  }

  async #convert(
    records: Uint8Array,
    format: ResolvedFormat,
    call: { readonly traceId: TraceId; readonly signal: AbortSignal },
  ): Promise<Pick<Preview, "columns" | "rows" | "problems">> {
    const { engine, disk, ids, clock, directory } = this.#options;
    const id = ids.uuid();
    const workPath = path.join(directory, "work", id);
    const body = `${workPath}.preview`;
    const headBytes = headBytesOf(format);
    try {
      await writeBody(disk, body, records, headBytes);
      const entry = {
        ingestId: id,
        start: headBytes,
        sizeBytes: records.length,
        lines: null,
        source: "",
        firstLine: 1,
      };
      const batch = {
        path: body,
        headBytes,
        entries: [{ ...entry, receivedAt: clock.now() }],
        format,
        columns: [],
        declared: new Set<string>(),
        eventTime: null,
        wrongEventTime: "refuse" as const,
        emptyKeys: [],
        systemTime: clock.now(),
        firstOffset: 0,
        workPath,
      };
      return await this.#sample(await convert(batch, { ...call, engine }), call);
    } finally {
      await this.#clear(id);
    }
  }

  async #sample(
    { columns, slicePath, quarantinePath }: Converted,
    call: { readonly traceId: TraceId; readonly signal: AbortSignal },
  ): Promise<Pick<Preview, "columns" | "rows" | "problems">> {
    const none = { sql: "SELECT 1 WHERE false", rows: true };
    const names = columns.map(({ name }) => ident(name)).join(", ");
    const rowsSql = `SELECT ${names} FROM read_parquet(${literal(slicePath ?? "")}) ORDER BY "offset" LIMIT ${mostRows}`;
    const asideSql = `SELECT line, column_name AS "column", reason, left(raw, 500) AS raw FROM read_parquet(${literal(quarantinePath ?? "")}) ORDER BY line LIMIT ${mostProblems}`;
    const statements = [
      slicePath === null || columns.length === 0 ? none : { sql: rowsSql, rows: true },
      quarantinePath === null ? none : { sql: asideSql, rows: true },
    ];
    const script = { traceId: call.traceId, label: "preview", statements };
    const [rows = [], problems = []] = await this.#options.engine.script(script, call.signal);
    return {
      columns: columns.map(({ name, type }) => ({ name, type: typeName(type) })),
      rows,
      problems: z.array(problemRow).parse(problems),
    };
  }

  async #clear(id: string): Promise<void> {
    const { disk, directory } = this.#options;
    const work = path.join(directory, "work");
    // What cannot be removed goes at the next start: no reason to fail.
    for (const { name } of await disk.list(work)) {
      if (name.startsWith(id)) await disk.remove(path.join(work, name)).catch(() => {});
    }
  }
}

async function writeBody(disk: Disk, file: string, bytes: Uint8Array, at: number): Promise<void> {
  await using handle = await disk.open(file, "write");
  await handle.write(bytes, at);
}

/** The decoded content as far as it is here, of bounded size. @throws bad_input where nothing can be decoded */
async function contentOf(
  { bytes, isCut }: { readonly bytes: Uint8Array; readonly isCut: boolean },
  encoding: Encoding,
): Promise<{ content: Uint8Array; isCut: boolean }> {
  if (encoding === "identity") return { content: bytes, isCut };
  // A file's beginning has no end: what can be decoded of it is wanted.
  const decoder =
    encoding === "gzip"
      ? createGunzip({ finishFlush: constants.Z_SYNC_FLUSH })
      : createZstdDecompress({ finishFlush: constants.ZSTD_e_flush });
  pipeline(Readable.from([bytes]), decoder, () => {});
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of decoder) {
      pieces.push(piece);
      size += piece.length;
      if (size >= contentBytes) break;
    }
  } catch (cause) {
    if (!isCut || size === 0) throw new MillraceError("bad_input", `The file is not valid ${encoding}.`, { cause });
  }
  return { content: Buffer.concat(pieces).subarray(0, contentBytes), isCut: isCut || size >= contentBytes };
}

/** Whole records in lines; of a file's beginning, up to the last record that ends in it. */
function wholeRecords(content: Uint8Array, detected: FormatSpec, format: ResolvedFormat, isCut: boolean): Uint8Array {
  if (detected.kind === "json") {
    const elements = new JsonElements();
    const lines = elements.push(content);
    return isCut ? lines.subarray(0, lines.lastIndexOf(lineFeed) + 1) : Buffer.concat([lines, elements.end()]);
  }
  if (!isCut) return content;
  if (format.kind !== "csv") return content.subarray(0, content.lastIndexOf(lineFeed) + 1);
  const breaks = new CsvBreaks(format.delimiter);
  let end = 0;
  for (const [index, byte] of content.entries()) if (breaks.ends(byte)) end = index + 1;
  return content.subarray(0, end);
}
