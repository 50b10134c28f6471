import type { WorkerFailure } from "../protocol/index.ts";

/** A job's failure on its way out of the worker. */
export class JobFailure extends Error {
  readonly failure: WorkerFailure;

  constructor(failure: WorkerFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

// DuckDB's names (Exception::ExceptionTypeToString). What is not listed is sql_runtime.
const codes: Readonly<Record<string, WorkerFailure["code"]>> = {
  Parser: "sql_syntax",
  Syntax: "sql_syntax",
  Binder: "sql_binding",
  Catalog: "sql_binding",
  "Mismatch Type": "sql_binding",
  "Unknown Type": "sql_binding",
  "Parameter Not Resolved": "bad_parameter",
  "Parameter Not Allowed": "bad_parameter",
  "Not implemented": "sql_unsupported",
  "Missing Extension": "sql_unsupported",
  "Extension Autoloading": "sql_unsupported",
  Permission: "sql_refused",
  "Invalid Configuration": "sql_refused",
  "Out of Memory": "out_of_memory",
  INTERRUPT: "interrupted",
  FATAL: "internal",
  INTERNAL: "internal",
};

/**
 * Reads what DuckDB threw: with `errors_as_json` its message is (or ends in) a JSON object with `exception_type`,
 * `exception_message` and `position`, a byte offset into the statement. `prefix` is the text put before the caller's own.
 */
export function failureOf(error: unknown, sql = "", prefix = ""): WorkerFailure {
  if (error instanceof JobFailure) return error.failure;
  const text = error instanceof Error ? error.message : String(error);
  const told = readJson(text);
  if (told === null) return plainFailure(text);
  const { type, message } = told;
  if (type === "IO") return ioFailure(message);
  if (
    /^(Values were not provided for the following prepared statement parameters|Expected \d+ parameters, but)/.test(
      message,
    )
  ) {
    return { code: "bad_parameter", message: sentence(message) };
  }
  const code = codes[type] ?? "sql_runtime";
  if (code === "internal") return internal(`${type}: ${message}`);
  if (code === "interrupted") return { code, message: "The work was interrupted." };
  if (code === "out_of_memory") return outOfMemory(message);
  const offset = told.position === null ? null : offsetIn(sql, told.position - Buffer.byteLength(prefix));
  return { code, message: sentence(message), ...(offset === null ? {} : { offset }) };
}

function readJson(text: string): { type: string; message: string; position: number | null } | null {
  const start = text.indexOf("{");
  if (start < 0) return null;
  try {
    const told: unknown = JSON.parse(text.slice(start));
    if (typeof told !== "object" || told === null || !("exception_type" in told)) return null;
    const position = "position" in told ? Number(told.position) : Number.NaN;
    return {
      type: String(told.exception_type),
      message: "exception_message" in told ? String(told.exception_message) : text,
      position: Number.isInteger(position) ? position : null,
    };
  } catch {
    return null;
  }
}

/** Errors that DuckDB words before it knows of `errors_as_json`, as in `Out of Memory Error: ...`. */
function plainFailure(text: string): WorkerFailure {
  const [, type, message] = /^([A-Za-z ]+?) Error: (.*)$/s.exec(text) ?? [];
  if (type === undefined || message === undefined) return internal(text);
  if (type === "IO") return ioFailure(message);
  const code = codes[type] ?? codes[type.toUpperCase()] ?? "sql_runtime";
  if (code === "internal") return internal(text);
  if (code === "out_of_memory") return outOfMemory(message);
  return { code, message: sentence(message) };
}

function outOfMemory(detail: string): WorkerFailure {
  return {
    code: "out_of_memory",
    message: "The statement needs more memory than a worker may use.",
    hint: "Read fewer rows or columns, aggregate earlier, or ask for larger workers.",
    detail,
  };
}

/** Paths of this machine say nothing to a caller: they stay in `detail`. */
function ioFailure(detail: string): WorkerFailure {
  if (/No space left on device/i.test(detail)) {
    return { code: "disk_full", message: "The disk of the engine worker is full.", detail };
  }
  return { code: "internal", message: "A file could not be read or written.", detail };
}

/** After an internal error DuckDB marks its database as invalid, so the worker goes. */
function internal(detail: string): WorkerFailure {
  return { code: "internal", message: "The engine failed; the statement may be at fault or not.", detail, fatal: true };
}

function sentence(message: string): string {
  return message.split("\n\nLINE ")[0]?.trim() ?? message;
}

/** A byte offset as a character offset, kept inside the text. */
function offsetIn(sql: string, bytes: number): number {
  return Buffer.from(sql).subarray(0, Math.max(0, bytes)).toString().length;
}
