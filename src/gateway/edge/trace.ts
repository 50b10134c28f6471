import type { IdSource, TraceId } from "../../base/index.ts";

// W3C Trace Context, level 1: version-traceid-parentid-flags, lower-case hex, neither id all zeros.
const traceparent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The caller's trace id from a `traceparent` header, or a new one where there is none that is valid. */
export function traceOf(header: string | string[] | undefined, ids: IdSource): TraceId {
  if (typeof header !== "string") return ids.traceId();
  const [, version = "", traceId = "", parentId = "", , rest] = traceparent.exec(header) ?? [];
  const isValid =
    traceId !== "" &&
    version !== "ff" &&
    (version !== "00" || rest === undefined) &&
    /[^0]/.test(traceId) &&
    /[^0]/.test(parentId);
  // The pattern has just proven what the brand says: 32 hex digits.
  return isValid ? (traceId as TraceId) : ids.traceId();
}

/** The `traceparent` of our own span within the trace. */
export function traceparentOf(traceId: TraceId, ids: IdSource): string {
  return `00-${traceId}-${ids
    .traceId()
    .slice(0, 16)
    .replace(/^0{16}$/, "0000000000000001")}-01`;
}
