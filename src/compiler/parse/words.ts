import { MillraceError, positionAt } from "../../base/index.ts";
import { blankEnd } from "./statement.ts";

/** One word, name, text, number or sign of a statement's head. */
export interface Word {
  readonly kind: "word" | "quoted" | "text" | "number" | "sign" | "end";
  /** As it stands there; of a quoted name or a text, what it quotes. */
  readonly said: string;
  /** Where it begins. */
  readonly at: number;
}

const forms: readonly (readonly [Word["kind"], RegExp])[] = [
  ["word", /[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*/y],
  ["quoted", /"(?:[^"]|"")*"/y],
  ["text", /'(?:[^']|'')*'/y],
  ["number", /\d+(?:\.\d+)?/y],
  ["sign", /[^\s]/y],
];

/** Reads the head of a statement word by word; comments and white space stand between words. */
export class Words {
  readonly #sql: string;
  #at: number;

  constructor(sql: string, at = 0) {
    this.#sql = sql;
    this.#at = at;
  }

  /** Where the next word begins. */
  get at(): number {
    return blankEnd(this.#sql, this.#at);
  }

  peek(): Word {
    const { at } = this;
    for (const [kind, form] of forms) {
      form.lastIndex = at;
      const [found] = form.exec(this.#sql) ?? [];
      if (found !== undefined) return { kind, said: unquoted(kind, found), at };
    }
    return { kind: "end", said: "", at };
  }

  next(): Word {
    const word = this.peek();
    const quotes = word.kind === "quoted" || word.kind === "text";
    this.#at = quotes ? quotedEnd(this.#sql, word.at) : word.at + word.said.length;
    return word;
  }

  /** Takes these words, in a row, where they come next; else nothing. */
  take(...expected: readonly string[]): boolean {
    const before = this.#at;
    for (const each of expected) {
      const word = this.next();
      const isIt = (word.kind === "word" || word.kind === "sign") && word.said.toUpperCase() === each;
      if (!isIt) {
        this.#at = before;
        return false;
      }
    }
    return true;
  }

  /** @throws sql_syntax where another word comes next */
  expect(...expected: readonly string[]): void {
    if (!this.take(...expected)) this.fail(`${expected.join(" ")} is expected`);
  }

  /** A name, quoted or not. @throws sql_syntax */
  name(what: string): Word {
    const word = this.peek();
    if (word.kind !== "word" && word.kind !== "quoted") this.fail(`${what} is expected`);
    return this.next();
  }

  /** @throws sql_syntax where more comes */
  expectEnd(): void {
    this.take(";");
    if (this.peek().kind !== "end") this.fail("The end of the statement is expected");
  }

  fail(wanted: string, { at, said, kind }: Word = this.peek()): never {
    const found = kind === "end" ? "the statement ends" : `"${said.slice(0, 50)}" comes`;
    throw new MillraceError("sql_syntax", `${wanted}, but ${found}.`, { position: positionAt(this.#sql, at) });
  }
}

function unquoted(kind: Word["kind"], found: string): string {
  switch (kind) {
    case "quoted":
      return found.slice(1, -1).replaceAll('""', '"');
    case "text":
      return found.slice(1, -1).replaceAll("''", "'");
    default:
      return found;
  }
}

function quotedEnd(sql: string, at: number): number {
  const form = sql[at] === '"' ? /"(?:[^"]|"")*"/y : /'(?:[^']|'')*'/y;
  form.lastIndex = at;
  form.exec(sql);
  return form.lastIndex;
}
