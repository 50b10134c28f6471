import { rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { instant, MillraceError, type TraceId } from "../../../src/base/index.ts";
import type { Batch, Converted } from "../../../src/ingest/convert/batch.ts";
import { convert } from "../../../src/ingest/convert/convert.ts";
import { parseType } from "../../../src/ingest/convert/types.ts";
import { eventTimeExpression } from "../../../src/ingest/event-time.ts";
import { type Encoding, headBytesOf, parseFormat } from "../../../src/ingest/index.ts";
import { resolved } from "../../../src/ingest/intake.ts";
import { takeBody } from "../../../src/ingest/staging/body.ts";
import { nodeDisk } from "../../../src/storage/index.ts";
import { type OpenPool, openPool } from "../../kit/engine-pool.ts";
import { anyBody, encoded, type Format, patterns, type SeedBodies } from "../bodies.ts";
import type { FuzzEntry } from "../campaign.ts";
import type { Dice } from "../dice.ts";
import { checkRefusal, Finding } from "../finding.ts";
import { plainInput } from "../input.ts";

/** What a body may be refused with. A lost worker or an error of ours blames nobody, and is a finding. */
const refusals = [
  "bad_input",
  "bad_request",
  "unknown_format",
  "sql_binding",
  "sql_runtime",
  "sql_syntax",
  "sql_unsupported",
];
const columnSets: readonly (readonly [string, string][])[] = [
  [],
  [
    ["id", "BIGINT"],
    ["name", "VARCHAR"],
  ],
  [
    ["id", "VARCHAR"],
    ["price", "DECIMAL(10,2)"],
    ["ok", "BOOLEAN"],
    ["at", "TIMESTAMP WITH TIME ZONE"],
  ],
  [
    ["tags", "VARCHAR[]"],
    ["geo", "STRUCT(lat DOUBLE, lon DOUBLE)"],
    ["name", "JSON"],
  ],
];

/**
 * Taking in and converting one body of one format with real workers, without what door, log and chain add: these have entries
 * of their own, and a commit of each of ten thousand bodies would measure the disk.
 */
export async function conversionEntry(format: Format, seeds: SeedBodies): Promise<FuzzEntry & AsyncDisposable> {
  const engine: OpenPool = await openPool({ threads: 1 });
  let files = 0;
  return {
    name: `convert.${format}`,
    atOnce: 2,
    deadlineMs: 20_000,
    make(dice) {
      const { bytes, encoding } = encoded(dice, anyBody(dice, format, seeds));
      return plainInput(bytes, optionsOf(dice, format, encoding).toString());
    },
    async judge(input, signal) {
      const workPath = path.join(engine.shared, `batch-${++files}`);
      try {
        const batch = await batchOf(
          input.body ?? new Uint8Array(),
          new URLSearchParams(input.path),
          workPath,
          engine,
          signal,
        );
        const done = await convert(batch, { engine: engine.pool, traceId: "" as TraceId, signal });
        await checkConverted(done, batch);
      } catch (error) {
        if (error instanceof Finding) throw error;
        checkRefusal(error, refusals);
      } finally {
        for (const suffix of ["", ".parquet", ".records", ".quarantine", ".sample", ".arrow.parquet"]) {
          await rm(`${workPath}${suffix}`, { force: true });
        }
      }
    },
    async settle() {
      const { restarts } = engine.pool.status();
      if (restarts > 0) throw new Finding(`${restarts} workers were lost`);
    },
    async measure() {
      const { workers } = engine.pool.status();
      const resident = Math.max(0, ...workers.map((worker) => worker.rssBytes ?? 0));
      return { "worker MB": Math.round(resident / 1e6), "own MB": Math.round(process.memoryUsage.rss() / 1e6) };
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

function optionsOf(dice: Dice, format: Format, encoding: string | null): URLSearchParams {
  const options = new URLSearchParams({ format });
  if (format === "text") options.set("format", `text:${dice.pick(patterns)}`);
  if (format === "csv" && dice.chance(0.3)) {
    options.set(
      "format",
      `csv;delimiter=${dice.pick([",", ";", "|", " ", '"', "é"])};header=${dice.pick(["true", "false"])}`,
    );
  }
  if (encoding !== null) options.set("encoding", encoding);
  if (dice.chance(0.15)) options.set("eventTime", dice.pick(eventTimes));
  options.set("columns", String(dice.chance(0.5) ? 0 : dice.below(columnSets.length)));
  return options;
}

const eventTimes = [
  "at",
  "nothing",
  "id",
  "to_timestamp(id)",
  "1",
  "at::TIMESTAMP + INTERVAL 1 DAY",
  "error('x')",
  "(SELECT 1)",
  "row_number() OVER ()",
  "sum(id)",
  "unnest([1])",
  "')",
  "now()",
  "\u0000",
];

/** As the door and the staging log hand a body on. @throws MillraceError */
async function batchOf(
  body: Uint8Array,
  options: URLSearchParams,
  workPath: string,
  engine: OpenPool,
  signal: AbortSignal,
): Promise<Batch> {
  const spec = parseFormat(options.get("format") ?? "");
  const headBytes = headBytesOf(spec);
  const columnar = spec.kind === "parquet" || spec.kind === "arrow";
  const taken = await takeBody(piecesOf(body), {
    encoding: encodingOf(options.get("encoding")),
    jsonElements: spec.kind === "json",
    disk: nodeDisk,
    path: workPath,
    durable: false,
    hashed: false,
    countLines: !columnar,
    headBytes,
    admit: () => {},
    meter: { bytes: 0, wireBytes: 0 },
    signal,
  });
  if (taken.bytes !== null) await writeFile(workPath, Buffer.concat([Buffer.alloc(headBytes), taken.bytes]));
  const eventTime = options.get("eventTime");
  const entry = { ingestId: "i1", start: headBytes, sizeBytes: taken.sizeBytes, lines: taken.lines, source: "" };
  return {
    path: workPath,
    headBytes,
    entries: [{ ...entry, receivedAt: instant(0), firstLine: 1 }],
    format: resolved(spec, taken.first),
    columns: (columnSets[Number(options.get("columns"))] ?? []).map(([name, type]) => ({
      name,
      type: parseType(type),
    })),
    declared: new Set(),
    eventTime: eventTime === null ? null : await eventTimeExpression(eventTime, engine.pool, signal),
    wrongEventTime: "quarantine",
    emptyKeys: [],
    systemTime: instant(Date.parse("2030-01-01T00:00:00Z")),
    firstOffset: 10,
    workPath,
  };
}

async function* piecesOf(body: Uint8Array): AsyncIterable<Uint8Array> {
  const size = Math.max(1, Math.ceil(body.length / 3));
  for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
}

function encodingOf(name: string | null): Encoding {
  if (name === null || name === "identity" || name === "gzip" || name === "zstd") return name ?? "identity";
  throw new MillraceError("unknown_format", `There is no encoding ${name}.`);
}

/** What came out of a batch agrees with itself. @throws Finding */
async function checkConverted(done: Converted, batch: Batch): Promise<void> {
  const [share] = done.shares;
  if (done.shares.length !== 1 || share?.rows !== done.rows || share.quarantined !== done.quarantined) {
    throw new Finding(`rows ${done.rows} and ${done.quarantined}, but the share says ${JSON.stringify(done.shares)}`);
  }
  if ((done.slicePath === null) !== (done.rows === 0))
    throw new Finding("rows without a slice, or a slice without rows");
  if ((done.quarantinePath === null) !== (done.quarantined === 0))
    throw new Finding("a quarantine that does not fit its count");
  for (const file of [done.slicePath, done.quarantinePath]) if (file !== null) await stat(file);
  const lines = batch.entries[0]?.lines ?? null;
  if (batch.format.kind === "ndjson" && lines !== null && done.rows + done.quarantined !== lines) {
    throw new Finding(`${lines} lines became ${done.rows} rows and ${done.quarantined} in quarantine`);
  }
}
