import type { Socket } from "node:net";
import { type IdSource, type Logger, type Metrics, MillraceError } from "../../base/index.ts";
import { errorBody } from "./failure.ts";

const reasons: Readonly<Record<number, string>> = {
  400: "Bad Request",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
};

/** What the parser of HTTP refused: a plain answer where the socket still takes one, then the end of the connection. */
export function answerMalformed(
  error: Error & { readonly code?: string },
  socket: Socket,
  { ids, log, metrics }: { ids: IdSource; log: Logger; metrics: Metrics },
): void {
  if (error.code === "ECONNRESET" || socket.destroyed) return;
  metrics.count("http_malformed_total");
  const traceId = ids.traceId();
  log.debug("a connection sent no valid request", { traceId, reason: error.code });
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const { status, failure } = describe(error.code);
  const body = JSON.stringify(errorBody(failure, traceId));
  socket.end(
    `HTTP/1.1 ${status} ${reasons[status] ?? "Bad Request"}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `x-trace-id: ${traceId}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function describe(code: string | undefined): { status: number; failure: MillraceError } {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return { status: 431, failure: new MillraceError("too_large", "The request's headers are too large.") };
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return {
        status: 408,
        failure: new MillraceError("request_timeout", "The request's head did not arrive in time."),
      };
    default:
      return { status: 400, failure: new MillraceError("bad_request", "This is no valid HTTP request.") };
  }
}
