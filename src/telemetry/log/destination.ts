import { existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import path from "node:path";
import { pino } from "pino";

export type LogDestination =
  | { readonly kind: "stderr" }
  /** Rotated to `PATH.1` ... `PATH.<kept>` when it has grown to `maxBytes`. */
  | { readonly kind: "file"; readonly path: string; readonly maxBytes?: number; readonly kept?: number };

export interface LogSink {
  readonly stream: pino.DestinationStream;
  flush(): void;
  close(): Promise<void>;
}

const waitingBytes = 16 * 1024 * 1024;

/** The log file is private to the user that runs the server (0600). */
export function openDestination(destination: LogDestination): LogSink {
  switch (destination.kind) {
    case "stderr": {
      // File descriptor 2 may be a pipe that closes before us: what cannot be written is nobody's failure.
      const stream = pino.destination({ dest: 2, sync: false, maxLength: waitingBytes });
      stream.on("error", () => {});
      return sinkOf(stream);
    }
    case "file":
      return sinkOf(openFile(destination.path, destination.maxBytes ?? 64 * 1024 * 1024, destination.kept ?? 3));
  }
}

type Stream = ReturnType<typeof pino.destination>;

function openFile(file: string, maxBytes: number, kept: number): Stream {
  mkdirSync(path.dirname(file), { recursive: true });
  let sizeBytes = existsSync(file) ? statSync(file).size : 0;
  const stream = pino.destination({ dest: file, sync: false, append: true, mode: 0o600, maxLength: waitingBytes });
  stream.on("error", () => {});
  let isRotating = false;
  stream.on("ready", () => {
    isRotating = false;
  });
  stream.on("write", (bytes: number) => {
    sizeBytes += bytes;
    // Until the new file is open, lines still go to the old one under its new name: that must not rotate again.
    if (sizeBytes < maxBytes || isRotating) return;
    isRotating = true;
    sizeBytes = 0;
    rotate(file, kept);
    stream.reopen(file);
  });
  return stream;
}

function rotate(file: string, kept: number): void {
  for (let number = kept - 1; number >= 1; number--) {
    if (existsSync(`${file}.${number}`)) renameSync(`${file}.${number}`, `${file}.${number + 1}`);
  }
  if (existsSync(file)) renameSync(file, `${file}.1`);
}

function sinkOf(stream: Stream): LogSink {
  return {
    stream,
    flush() {
      try {
        stream.flushSync();
      } catch {
        // Not open yet or already closed: there is nothing that could be written.
      }
    },
    close: () =>
      new Promise((resolve) => {
        stream.once("close", resolve);
        stream.once("error", () => resolve());
        stream.end();
      }),
  };
}
