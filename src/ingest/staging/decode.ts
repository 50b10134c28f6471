import { pipeline, Readable, type Transform } from "node:stream";
import { createGunzip, createZstdDecompress } from "node:zlib";
import { MillraceError } from "../../base/index.ts";
import type { Encoding } from "../formats/spec.ts";

/** How much of a body has come. */
export interface Meter {
  /** Decoded. */
  bytes: number;
  wireBytes: number;
}

/**
 * The decoded bytes of a body, in constant memory whatever it grows to. gzip may have several members, zstd several frames;
 * what breaks off, or goes on behind its end, is refused: the decoders would drop it without a word.
 * @throws bad_input, the body's own error
 */
export async function* decode(
  body: AsyncIterable<Uint8Array>,
  encoding: Encoding,
  meter: Meter,
): AsyncIterable<Uint8Array> {
  if (encoding === "identity") {
    yield* metered(body, meter);
    return;
  }
  const decoder = encoding === "gzip" ? createGunzip() : createZstdDecompress();
  // An error of the body comes out of the decoder; whoever stops reading the decoder stops the body.
  pipeline(Readable.from(metered(body, meter)), decoder, () => {});
  yield* decoded(decoder, encoding);
  if (decoder.bytesWritten < meter.wireBytes) {
    throw new MillraceError(
      "bad_input",
      `The body goes on behind its ${encoding} data, at byte ${decoder.bytesWritten}.`,
    );
  }
}

async function* metered(body: AsyncIterable<Uint8Array>, meter: Meter): AsyncIterable<Uint8Array> {
  for await (const chunk of body) {
    meter.wireBytes += chunk.length;
    yield chunk;
  }
}

async function* decoded(decoder: Transform, encoding: Encoding): AsyncIterable<Uint8Array> {
  try {
    yield* decoder;
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && /^(Z_|ZSTD_|ERR_ZSTD|ERR_ZLIB)/.test(String(cause.code))))
      throw cause;
    throw new MillraceError("bad_input", `The body is not valid ${encoding}: ${cause.message}.`, { cause });
  }
}

/** A text in UTF-16 or UTF-32 says so with its first bytes. @throws bad_input */
export async function* refusingUtf16(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const begin: number[] = [];
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length && begin.length < 2; at++) begin.push(chunk[at] ?? 0);
    if ((begin[0] === 0xff && begin[1] === 0xfe) || (begin[0] === 0xfe && begin[1] === 0xff)) {
      throw new MillraceError("bad_input", "The body is text in UTF-16.", { hint: "Send it in UTF-8." });
    }
    yield chunk;
  }
}
