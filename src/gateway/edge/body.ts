import type { IncomingMessage } from "node:http";
import { type Clock, MillraceError } from "../../base/index.ts";

export interface BodyLimits {
  /** Longest wait for the next bytes of a client. Time in which we do not ask for bytes does not count. */
  readonly idleMs: number;
  /** Least average rate of a client over the time that we waited for it, once `graceMs` of waiting have passed. */
  readonly minBytesPerS: number;
  readonly graceMs: number;
}

/**
 * The bytes of a request, pulled: nothing is read before it is asked for, so back-pressure reaches the client's socket.
 * There is no limit of total time or size; a client that stalls or trickles is ended (request_timeout). The socket
 * stays usable when the reader stops early, so that an error can still be answered.
 * @throws request_timeout; bad_request when the client goes away or the framing ends early
 */
export async function* requestBody(
  request: IncomingMessage,
  { clock, limits, onBytes }: { clock: Clock; limits: BodyLimits; onBytes?: (bytes: number) => void },
): AsyncGenerator<Uint8Array, void, void> {
  const chunks: AsyncIterator<unknown> = request.iterator({ destroyOnReturn: false });
  let received = 0;
  let waitedMs = 0;
  while (true) {
    const startedMs = clock.monotonicMs();
    const next = await withinIdle(chunks.next(), clock, limits.idleMs);
    if (next.done) break;
    waitedMs += clock.monotonicMs() - startedMs;
    if (!(next.value instanceof Uint8Array)) throw new TypeError("a request body gives bytes");
    received += next.value.byteLength;
    onBytes?.(next.value.byteLength);
    if (waitedMs > limits.graceMs && (received * 1000) / waitedMs < limits.minBytesPerS) {
      throw new MillraceError("request_timeout", "The request's body arrives too slowly.", {
        data: { receivedBytes: received, waitedMs: Math.round(waitedMs) },
      });
    }
    yield next.value;
  }
  if (!request.complete) throw goneClient();
}

function goneClient(cause?: unknown): MillraceError {
  return new MillraceError("bad_request", "The request's body ended before its end.", {
    hint: "Send it again with the same Idempotency-Key: nothing is stored twice.",
    cause,
  });
}

function withinIdle<Value>(promise: Promise<Value>, clock: Clock, idleMs: number): Promise<Value> {
  return new Promise((resolve, reject) => {
    const forget = clock.timer(idleMs, () =>
      reject(
        new MillraceError("request_timeout", `No byte of the request's body came for ${Math.round(idleMs / 1000)} s.`),
      ),
    );
    promise.then(
      (value) => {
        forget();
        resolve(value);
      },
      (cause: unknown) => {
        forget();
        reject(cause instanceof MillraceError ? cause : goneClient(cause));
      },
    );
  });
}

/**
 * Called when an answer is out while the client still sends: reads on for a moment, so that the client sees the answer
 * rather than a reset connection (RFC 9112 section 9.6), then ends the connection.
 */
export function linger(request: IncomingMessage, clock: Clock, maxMs = 5_000, maxBytes = 32 * 1024 * 1024): void {
  if (request.complete || request.destroyed) return;
  let seen = 0;
  const forget = clock.timer(maxMs, () => request.socket.destroy());
  request.on("data", (chunk: Uint8Array) => {
    seen += chunk.byteLength;
    if (seen > maxBytes) request.socket.destroy();
  });
  request.on("error", () => {});
  request.once("end", forget);
  request.once("close", forget);
  request.resume();
}
