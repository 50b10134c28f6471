import { mkdirSync } from "node:fs";
import path from "node:path";
import { rotatingFile } from "./rotating-file.ts";
import { closeStream, flushStream, type LogSink, openStream } from "./stream.ts";

export type LogDestination =
  | { readonly kind: "stderr" }
  /** Rotated to `PATH.1` ... `PATH.<kept>` when it has grown to `maxBytes`. */
  | { readonly kind: "file"; readonly path: string; readonly maxBytes?: number; readonly kept?: number };

/** The log file is private to the user that runs the server (0600). */
export function openDestination(destination: LogDestination): LogSink {
  switch (destination.kind) {
    case "stderr": {
      const stream = openStream(2);
      return { stream, flush: () => flushStream(stream), close: () => closeStream(stream) };
    }
    case "file":
      mkdirSync(path.dirname(destination.path), { recursive: true });
      return rotatingFile(destination.path, destination.maxBytes ?? 64 * 1024 * 1024, destination.kept ?? 3);
  }
}
