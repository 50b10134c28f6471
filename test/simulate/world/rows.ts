import { createHash } from "node:crypto";
import { type Clock, type Disk, delay, MillraceError } from "../../../src/base/index.ts";
import type { SliceReader } from "../../../src/datasets/index.ts";
import type { CopyWorker, OffsetRange } from "../../../src/datasets/layout/work.ts";
import type { Batch, BatchEntry, Converted } from "../../../src/ingest/convert/batch.ts";
import type { Converter } from "../../../src/ingest/convert/converter.ts";
import { type Column, parseType } from "../../../src/ingest/convert/types.ts";
import { multihashOfDigest, sha3Multihash } from "../../../src/slices/index.ts";
import type { Chance } from "./scheduler.ts";

/** A row of a slice: lines of JSON are all that a slice is here. */
export interface SliceRow {
  readonly offset: number;
  readonly id: string;
}

/** Begins what stands for a body that was put aside whole. */
const wholeBody = "whole:";

const text = parseType("VARCHAR");

/** Begins a file of a conversion: as the rows' own system time does, it gives a file that is written anew another name. */
const stamp = (systemTimeMs: number) => `# ${systemTimeMs}\n`;

export function sliceText(rows: readonly SliceRow[]): string {
  return rows.map(({ offset, id }) => `${offset} ${id}\n`).join("");
}

export function sliceRows(bytes: Uint8Array): SliceRow[] {
  return linesOf(bytes).map((line) => {
    const space = line.indexOf(" ");
    return { offset: Number(line.slice(0, space)), id: line.slice(space + 1) };
  });
}

/** What is in a quarantine file: bad lines, and the lines of bodies that were put aside whole, as they were sent. */
export function asideLines(bytes: Uint8Array): string[] {
  return linesOf(bytes).flatMap((line) => {
    const raw = line.slice(line.indexOf(" ") + 1);
    return raw.startsWith(wholeBody)
      ? linesOf(Buffer.from(raw.slice(wholeBody.length), "base64")).map((sent) => sent.split(" ")[0] ?? "")
      : raw;
  });
}

function linesOf(bytes: Uint8Array): string[] {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString().split("\n");
  return lines.filter((line) => line !== "" && !line.startsWith("#"));
}

function logicalHash(bytes: Uint8Array): string {
  return multihashOfDigest(
    "arrow0-sha3-256",
    createHash("sha3-256").update("rows").update(linesOf(bytes).join("\n")).digest(),
  );
}

export interface CopierOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly chance: Chance;
}

/** Writes copies of slices, and proves slices from them. */
export function rowCopier({ disk, clock, chance }: CopierOptions): CopyWorker {
  const rowsOf = async (path: string, { firstOffset, lastOffset }: OffsetRange) => {
    const rows = sliceRows(await disk.readFile(path)).filter(
      ({ offset }) => offset >= firstOffset && offset <= lastOffset,
    );
    const isWhole = rows.length === lastOffset - firstOffset + 1;
    if (isWhole && rows.every(({ offset }, at) => offset === firstOffset + at)) return rows;
    throw new MillraceError("bad_input", `The file has not the rows ${firstOffset} to ${lastOffset}.`);
  };
  return {
    async writeCopy({ inputs, output }, signal) {
      const rows: SliceRow[] = [];
      for (const { path, ...range } of inputs) rows.push(...(await rowsOf(path, range)));
      await delay(clock, chance.skewed(0.5, 500), signal);
      const bytes = Buffer.from(sliceText(rows));
      await using file = await disk.open(output, "write");
      await file.write(bytes);
      return { sizeBytes: bytes.length, physicalHash: sha3Multihash(bytes), statistics: [] };
    },
    async rangeHashes({ path, ranges }, signal) {
      const hashes: string[] = [];
      for (const range of ranges) hashes.push(logicalHash(Buffer.from(sliceText(await rowsOf(path, range)))));
      await delay(clock, chance.skewed(0.5, 100), signal);
      return hashes;
    },
  };
}

/** Reads slices for `verify`. */
export function rowReader(disk: Disk): SliceReader {
  return {
    logicalHash: async (path) => logicalHash(await disk.readFile(path)),
    async offsets(path) {
      const offsets = sliceRows(await disk.readFile(path)).map((row) => row.offset);
      const gapFree = offsets.every((offset, index) => offset === (offsets[0] ?? 0) + index);
      return { rows: offsets.length, first: offsets[0] ?? null, gapFree };
    },
  };
}

export interface ConverterOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly chance: Chance;
  /** How often a worker is lost over its work. */
  readonly losses: () => number;
}

/**
 * Conversion in the simulated world. A body is lines; one that begins with `+` is a row, and names it; a row `name column`
 * has a value in that column; one that begins with `#` only takes room; every other line is put aside.
 */
export function rowConverter({ disk, clock, chance, losses }: ConverterOptions): Converter {
  const work = async (signal: AbortSignal) => {
    await delay(clock, chance.skewed(0.5, 200), signal);
    if (chance.happens(losses())) throw new MillraceError("worker_lost", "The worker ended over its work.");
  };
  const write = async (path: string, content: string) => {
    await using file = await disk.open(path, "write");
    await file.write(Buffer.from(content));
  };
  return {
    async convert(batch, { signal }) {
      const body = Buffer.from(await disk.readFile(batch.path));
      await work(signal);
      return await convertTo(batch, body, write);
    },
    async renumber({ input, output, delta, systemTimeMs }, { signal }) {
      const rows = sliceRows(await disk.readFile(input));
      await work(signal);
      const moved = rows.map(({ offset, id }) => ({ offset: offset + delta, id }));
      await write(output, stamp(systemTimeMs) + sliceText(moved));
    },
    async putAside({ path, entry, output, systemTimeMs }, { signal }) {
      const body = bodyOf(Buffer.from(await disk.readFile(path)), entry);
      await work(signal);
      await write(output, `${stamp(systemTimeMs)}${entry.ingestId} ${wholeBody}${body.toString("base64")}\n`);
      return 1;
    },
    async hashes(path) {
      const bytes = await disk.readFile(path);
      const rows = linesOf(bytes).length;
      const physicalHash = sha3Multihash(bytes);
      return { logicalHash: logicalHash(bytes), physicalHash, rows, sizeBytes: bytes.length };
    },
    columnStatistics: async () => [],
  };
}

async function convertTo(
  batch: Batch,
  body: Buffer,
  write: (path: string, content: string) => Promise<void>,
): Promise<Converted> {
  const columns: Column[] = [...batch.columns];
  const rows: SliceRow[] = [];
  const aside: string[] = [];
  const shares = batch.entries.map((entry) => {
    const before = { rows: rows.length, quarantined: aside.length };
    for (const line of linesOf(bodyOf(body, entry))) {
      if (!line.startsWith("+")) {
        aside.push(`${entry.ingestId} ${line}\n`);
        continue;
      }
      const [id = "", column = "id"] = line.slice(1).split(" ");
      if (columns.every(({ name }) => name !== column)) columns.push({ name: column, type: text });
      rows.push({ offset: batch.firstOffset + rows.length, id });
    }
    return { rows: rows.length - before.rows, quarantined: aside.length - before.quarantined, reasons: [] };
  });
  const slicePath = rows.length === 0 ? null : `${batch.workPath}.parquet`;
  const quarantinePath = aside.length === 0 ? null : `${batch.workPath}.quarantine`;
  if (slicePath !== null) await write(slicePath, stamp(batch.systemTime) + sliceText(rows));
  if (quarantinePath !== null) await write(quarantinePath, stamp(batch.systemTime) + aside.join(""));
  const counts = { rows: rows.length, quarantined: aside.length };
  return { columns, emptyKeys: [], slicePath, quarantinePath, shares, ...counts };
}

function bodyOf(body: Buffer, { start, sizeBytes }: BatchEntry): Buffer {
  return body.subarray(start, start + sizeBytes);
}
