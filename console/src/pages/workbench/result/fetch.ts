import { ApiError, request } from "../../../api/client.ts";
import type { Column } from "./column.ts";

export interface Result {
  readonly queryId: string;
  readonly sql: string;
  readonly columns: readonly Column[];
  readonly rows: number;
  /** The server had more rows than were asked for. */
  readonly isTruncated: boolean;
  readonly sizeBytes: number;
}

/** What a page can hold without falling over. */
const mostBytes = 600_000_000;

/** Runs a statement. An aborted signal cancels it on the server. @throws ApiError */
export async function fetchResult(
  { sql, rowLimit, traceId }: { readonly sql: string; readonly rowLimit: number; readonly traceId: string },
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<Result> {
  // What reads the answer is loaded while the server computes.
  const reading = import("./arrow.ts");
  reading.catch(() => {});
  const response = await request("/api/v1/sql", {
    method: "POST",
    body: { sql, format: "arrow", rowLimit },
    headers: {
      accept: "application/vnd.apache.arrow.stream, application/json",
      // W3C Trace Context, section 3.2: version, trace, parent, flags.
      traceparent: `00-${traceId}-${randomHex(8)}-01`,
    },
    signal,
  });
  const bytes = await received(response, onBytes);
  const { columnsOf } = await reading;
  signal.throwIfAborted();
  return {
    queryId: response.headers.get("millrace-query-id") ?? "",
    sql,
    columns: columnsOf(bytes),
    rows: Number(response.headers.get("millrace-rows")),
    isTruncated: response.headers.get("millrace-truncated") === "true",
    sizeBytes: bytes.length,
  };
}

/** Random bytes as hexadecimal digits. */
export function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}

async function received(response: Response, onBytes: (bytes: number) => void): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  let toldAt = 0;
  for (const reader = response.body?.getReader(); reader !== undefined; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    size += value.length;
    if (size > mostBytes) {
      await reader.cancel();
      throw tooLarge();
    }
    if (performance.now() - toldAt > 100) {
      toldAt = performance.now();
      onBytes(size);
    }
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function tooLarge(): ApiError {
  return new ApiError(0, {
    code: "result_too_large",
    message: `The result is larger than ${mostBytes / 1e6} MB, which is more than a page can hold.`,
    hint: "Ask for fewer rows or columns, or export it as a file.",
  });
}
