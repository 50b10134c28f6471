import { literal } from "../../slices/index.ts";
import type { ResolvedFormat } from "../formats/detect.ts";
import type { Batch, ConvertContext, Converted } from "./batch.ts";
import { convertFastFields } from "./fast-fields.ts";
import { FastPathEnded } from "./fast-path.ts";
import { fieldName, textFields } from "./fields.ts";
import { chunksOf } from "./lines.ts";
import { Utf8Check } from "./utf8-check.ts";

/** The fast path of lines of text: every line that is not blank matches, and nothing in the body is out of the ordinary. */
export async function convertFastText(
  batch: Batch,
  format: ResolvedFormat & { kind: "text" },
  context: ConvertContext,
): Promise<Converted> {
  const [first] = batch.entries;
  const last = batch.entries.at(-1);
  if (first === undefined || last === undefined || first.start !== 0) throw new FastPathEnded("nothing to read");
  if (!(await isPlain(batch.path, last.start + last.sizeBytes))) throw new FastPathEnded("not plain lines");
  const text = textFields(format);
  const rows = batch.entries.map(({ lines }) => lines ?? Number.NaN);
  return await convertFastFields(batch, context, { names: text.names, sql: rowsSql(batch.path, text), rows });
}

/** Parts columns for DuckDB's reader, which wants something to; a line that has it fails, since there is one column. */
const unlikely = "\u001f";

function rowsSql(file: string, text: ReturnType<typeof textFields>): string {
  const read = `read_csv(${literal(file)}, auto_detect = false, strict_mode = true, header = false, delim = ${literal(unlikely)}, quote = '', escape = '',
  columns = {line: 'VARCHAR'})`;
  const fields = text.values.map((sql, at) => `${sql} AS ${fieldName(at)}`).join(", ");
  const isMatch = `CASE WHEN ${text.anyGroup} THEN true WHEN ${text.matches("line")} THEN true ELSE error('no match')::BOOLEAN END`;
  return `SELECT ${fields} FROM (SELECT *, ${text.derived} AS h
  FROM (SELECT line, ${text.groups("line")} AS g FROM ${read} WHERE line IS NOT NULL) WHERE ${isMatch})`;
}

const lineFeed = 10;
const carriageReturn = 13;
const mark = Buffer.from("\ufeff");
/** Characters that readers of lines take differently: NUL, vertical tab, form feed, and what parts our one column. */
const odd = [0, 11, 12, unlikely.charCodeAt(0)];

/** Whether a text is UTF-8 with line breaks of one kind and no odd character. */
async function isPlain(file: string, length: number): Promise<boolean> {
  const utf8 = new Utf8Check();
  let feeds = 0;
  let returns = 0;
  let endsWithReturn = false;
  let tail = Buffer.alloc(0);
  for await (const chunk of chunksOf(file, 0, length)) {
    if (!utf8.push(chunk) || odd.some((byte) => chunk.includes(byte))) return false;
    if (chunk.includes(mark) || Buffer.concat([tail, chunk.subarray(0, 2)]).includes(mark)) return false;
    tail = Buffer.from(chunk.subarray(-2));
    if (endsWithReturn && chunk[0] !== lineFeed) return false;
    endsWithReturn = chunk.at(-1) === carriageReturn;
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, at + 1)) feeds++;
    for (let at = chunk.indexOf(carriageReturn); at >= 0; at = chunk.indexOf(carriageReturn, at + 1)) {
      if (at + 1 < chunk.length && chunk[at + 1] !== lineFeed) return false;
      returns++;
    }
  }
  return utf8.end() && !endsWithReturn && (returns === 0 || returns === feeds);
}
