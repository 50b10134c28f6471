import { CsvRecords } from "./csv-records.ts";

export interface CsvDialect {
  readonly delimiter: string;
  readonly header: boolean;
}

const delimiters = [",", ";", "\t", "|"];

/** Finds what the caller left open: the delimiter that cuts the first records most evenly, and whether the first is a header. */
export function detectCsv(
  first: Uint8Array,
  known: { delimiter?: string | undefined; header?: boolean | undefined },
): CsvDialect {
  let best = { delimiter: known.delimiter ?? ",", records: sampleRecords(first, known.delimiter ?? ",") };
  if (known.delimiter === undefined) {
    let bestScore = score(best.records);
    for (const delimiter of delimiters.slice(1)) {
      const records = sampleRecords(first, delimiter);
      const found = score(records);
      if (found > bestScore) {
        best = { delimiter, records };
        bestScore = found;
      }
    }
  }
  return { delimiter: best.delimiter, header: known.header ?? looksLikeHeader(best.records) };
}

function sampleRecords(first: Uint8Array, delimiter: string): string[][] {
  const found: string[][] = [];
  const records = new CsvRecords(delimiter);
  const take = (record: { fields: string[] | null }) => {
    if (record.fields !== null && found.length < 50) found.push(record.fields);
  };
  records.push(first, take);
  if (found.length === 0) records.end(take);
  return found;
}

/** Columns, if every record has as many; else less the more they differ. */
function score(records: readonly string[][]): number {
  const width = records[0]?.length ?? 0;
  if (width < 2) return 0;
  const even = records.filter((record) => record.length === width).length / records.length;
  return even === 1 ? width : even * 0.5;
}

const valueLike = /^(?:[+-]?[\d.,]+(?:[eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*|true|false)$/i;

function looksLikeHeader(records: readonly string[][]): boolean {
  const first = records[0];
  if (first === undefined) return true;
  const names = new Set(first.map((name) => name.toLowerCase()));
  return names.size === first.length && first.every((name) => name !== "" && !valueLike.test(name));
}

/** Column names of a CSV: trimmed, empty ones named by position, repeated ones numbered. */
export function csvColumns(dialect: CsvDialect, firstRecord: readonly string[]): string[] {
  const taken = new Set<string>();
  return firstRecord.map((cell, index) => {
    const wanted = dialect.header && cell.trim() !== "" ? cell.trim() : `column${index + 1}`;
    let name = wanted;
    for (let n = 1; taken.has(name.toLowerCase()); n++) name = `${wanted}_${n}`;
    taken.add(name.toLowerCase());
    return name;
  });
}
