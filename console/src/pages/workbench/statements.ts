export interface Statement {
  readonly sql: string;
  /** Where it begins in the whole text. */
  readonly from: number;
  /** Behind its last character, before the semicolon. */
  readonly to: number;
}

/** What hides a semicolon: strings, quoted names, dollar quotes, comments. Each alternative ends at the text's end where it is not closed. */
const hidden =
  /e'(?:[^'\\]|\\.|'')*(?:'|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|\$([A-Za-z_]\w*)?\$[\s\S]*?(?:\$\1\$|$)|--[^\n]*|;/giy;

/** The statements of a text that semicolons part, without those that say nothing. */
export function splitStatements(text: string): Statement[] {
  const found: Statement[] = [];
  let begin = 0;
  let isSaying = false;
  const end = (at: number): void => {
    if (isSaying) found.push(trimmed(text, begin, at));
    begin = at + 1;
    isSaying = false;
  };
  for (let at = 0; at < text.length; ) {
    const next = tokenEnd(text, at);
    const first = text[at] ?? "";
    if (first === ";") end(at);
    else if (!/\s/.test(first) && !text.startsWith("--", at) && !text.startsWith("/*", at)) isSaying = true;
    at = next;
  }
  end(text.length);
  return found;
}

function tokenEnd(text: string, at: number): number {
  if (text.startsWith("/*", at)) return commentEnd(text, at);
  // `e'...'` is a string of its own kind only where no name ends in that e.
  const isWithin = at > 0 && /\w/.test(text[at - 1] ?? "");
  hidden.lastIndex = at;
  const match = isWithin && /e/i.test(text[at] ?? "") ? null : hidden.exec(text);
  return match === null || match[0] === "" ? at + 1 : at + match[0].length;
}

/** Comments of this kind nest. */
function commentEnd(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if (text.startsWith("/*", at)) {
      depth++;
      at++;
    } else if (text.startsWith("*/", at)) {
      depth--;
      at++;
      if (depth === 0) return at + 1;
    }
  }
  return text.length;
}

function trimmed(text: string, from: number, to: number): Statement {
  const part = text.slice(from, to);
  const start = from + (part.length - part.trimStart().length);
  const sql = part.trim();
  return { sql, from: start, to: start + sql.length };
}
