import { MillraceError } from "../../base/index.ts";

/** Names of fields whose values never reach the log. */
const secretName = /passw|secret|token|authorization|cookie|master_?key|private_?key|api_?key|passphrase|credential/i;
/** Counts and ids about secrets are no secrets. */
const harmlessName = /(tokenId|tokens|tokensHeld|secretName)$/;
const hidden = "(hidden)";
const maxDepth = 5;
const maxItems = 100;
const maxText = 10_000;

/**
 * Fields as they may be written: values under a secret's name hidden, API tokens and passwords inside texts masked, errors
 * unfolded, and everything bounded in depth, width and length.
 */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) shown[name] = redactMember(name, value, 0);
  return shown;
}

function redactMember(name: string, value: unknown, depth: number): unknown {
  const isSecret = secretName.test(name) && !harmlessName.test(name) && value !== null && typeof value !== "boolean";
  return isSecret ? hidden : redactValue(value, depth);
}

function redactValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return redactText(value);
    case "bigint":
      return value.toString();
    case "function":
    case "symbol":
      return String(value.toString()).slice(0, 100);
    case "object":
      return value === null ? null : redactObject(value, depth);
    default:
      return value;
  }
}

function redactObject(value: object, depth: number): unknown {
  if (value instanceof Error) return describeError(value, depth);
  if (depth >= maxDepth) return "(deeper)";
  if (Array.isArray(value)) return value.slice(0, maxItems).map((item: unknown) => redactValue(item, depth + 1));
  if (ArrayBuffer.isView(value)) return `(${value.byteLength} bytes)`;
  if (value instanceof Date) return value;
  const shown: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value).slice(0, maxItems)) {
    shown[name] = redactMember(name, member, depth + 1);
  }
  return shown;
}

/** Tokens of Millrace (`mlr_...`), credentials of an Authorization header and passwords inside URLs. */
export function redactText(text: string): string {
  const bounded = text.length > maxText ? `${text.slice(0, maxText)}... (${text.length} characters)` : text;
  return bounded
    .replace(/\bmlr_[A-Za-z0-9_-]+/g, `mlr_${hidden}`)
    .replace(/\b(Bearer|Basic) +[A-Za-z0-9+/=._~-]+/gi, `$1 ${hidden}`)
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi, `$1:${hidden}@`);
}

/** A caller's mistake is its code and sentence; what is our fault also tells cause and stack. */
function describeError(error: Error, depth: number): Record<string, unknown> {
  const about: Record<string, unknown> = { name: error.name, message: redactText(error.message) };
  if (error instanceof MillraceError) about.code = error.code;
  else if ("code" in error && typeof error.code === "string") about.code = error.code;
  if (error instanceof MillraceError && error.status < 500) return about;
  if (error.stack !== undefined) about.stack = redactText(error.stack);
  if (error.cause !== undefined && depth < maxDepth) about.cause = redactValue(error.cause, depth + 1);
  return about;
}
