const [quote, backslash, comma, colon] = [34, 92, 44, 58];

/** Where a member of a row's object lies: its name without quotes, and its value. */
export interface Member {
  nameStart: number;
  nameEnd: number;
  valueStart: number;
  valueEnd: number;
}

/** Visits the members of one JSON object, which a worker has written: it is well formed, without gaps between members. */
export function visitMembers(row: Uint8Array, visit: (member: Member) => void): void {
  for (let at = 1; at < row.length - 1; ) {
    const nameEnd = textEnd(row, at);
    const valueStart = nameEnd + 2;
    if (row[nameEnd + 1] !== colon) throw new Error("a row is no JSON object");
    const valueEnd = endOfValue(row, valueStart);
    visit({ nameStart: at + 1, nameEnd, valueStart, valueEnd });
    at = valueEnd + 1;
  }
}

/** What a text stands for, whose content lies there. */
export function textOf(row: Uint8Array, start: number, end: number): Uint8Array {
  const content = row.subarray(start, end);
  if (!content.includes(backslash)) return content;
  const text: unknown = JSON.parse(Buffer.from(row.buffer, row.byteOffset + start - 1, end - start + 2).toString());
  return Buffer.from(String(text));
}

/** A value for a client that knows texts only; null for null. Texts lose their quotes, all else is its JSON. */
export function plainValue(row: Uint8Array, { valueStart, valueEnd }: Member): Uint8Array | null {
  if (row[valueStart] === quote) return textOf(row, valueStart + 1, valueEnd - 1);
  return row[valueStart] === 110 ? null : row.subarray(valueStart, valueEnd);
}

/** Where the quote stands that ends the text beginning with the quote at `at`. */
function textEnd(row: Uint8Array, at: number): number {
  for (let i = at + 1; i < row.length; i++) {
    if (row[i] === backslash) i++;
    else if (row[i] === quote) return i;
  }
  throw new Error("a row is no JSON object");
}

function endOfValue(row: Uint8Array, start: number): number {
  let depth = 0;
  for (let at = start; at < row.length; at++) {
    const byte = row[at] as number;
    if (byte === quote) at = textEnd(row, at);
    else if (byte === 123 || byte === 91) depth++;
    else if (byte === 125 || byte === 93) {
      if (depth === 0) return at;
      depth--;
    } else if (byte === comma && depth === 0) return at;
  }
  throw new Error("a row is no JSON object");
}
