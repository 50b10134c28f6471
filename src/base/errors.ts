import { errorCodes } from "./error-codes.ts";

export type ErrorCode = keyof typeof errorCodes;

/** A place in the user's own text, as editors count: line and column from 1, offset in characters from 0. */
export interface TextPosition {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

export interface ErrorDetails {
  /** What to do next, as a sentence. */
  readonly hint?: string;
  readonly position?: TextPosition;
  /** Facts for programs; never secrets. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** Seconds after which a retry may succeed. */
  readonly retryAfterS?: number;
  readonly cause?: unknown;
}

/**
 * The only error that leaves a room. `code` is stable and belongs to the registry in error-codes.ts, which gives the
 * HTTP status and the SQLSTATE; `message` is a sentence for a person.
 */
export class MillraceError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly sqlstate: string;
  readonly hint: string | undefined;
  readonly position: TextPosition | undefined;
  readonly data: Readonly<Record<string, unknown>> | undefined;
  readonly retryAfterS: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "MillraceError";
    this.code = code;
    this.status = errorCodes[code].status;
    this.sqlstate = errorCodes[code].sqlstate;
    this.hint = details.hint;
    this.position = details.position;
    this.data = details.data;
    this.retryAfterS = details.retryAfterS;
  }
}

/** Codes of a server or connection that is not there: the system's, the PostgreSQL client's, SQLSTATE classes 08 and 57P. */
const away = /^(ECONN|EPIPE$|ETIMEDOUT$|ENOTFOUND$|CONNECTION_LOST$|08...$|57P..$)/;

/** SQLSTATE class 22: a text with a zero byte, an id that is none, a number out of range. */
const unfit = /^22[0-9A-Z]{3}$/;

/**
 * The error as it stands, or wrapped: a value of the caller's that PostgreSQL cannot hold, a server that is away, else our
 * own fault, a bug that says nothing of itself.
 */
export function asMillraceError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  if (error instanceof Error && "code" in error && unfit.test(String(error.code))) {
    return new MillraceError("bad_request", "A value of the request cannot be kept.", {
      hint: "Does a text hold the character U+0000, or a number or time lie beyond all bounds?",
      cause: error,
    });
  }
  if (error instanceof Error && "code" in error && away.test(String(error.code))) {
    return new MillraceError("unavailable", "Something that the server needs does not answer.", {
      hint: "GET /readyz tells which part. Try again soon.",
      cause: error,
    });
  }
  return new MillraceError("internal", "Something failed inside Millrace; nothing you sent was at fault.", {
    hint: "Look the trace id up in the server's log, and report it.",
    cause: error,
  });
}

/** The position of a character offset in a text. */
export function positionAt(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset);
  const lastBreak = before.lastIndexOf("\n");
  return { offset, line: before.split("\n").length, column: offset - lastBreak };
}

/** For `default` branches of exhaustive switches: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
