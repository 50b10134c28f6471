import { existsSync, renameSync, statSync } from "node:fs";
import { closeStream, flushStream, type LogSink, type LogStream, openStream } from "./stream.ts";

/**
 * Each file has a stream of its own: what still waits when the file is renamed follows it under its new name, and no line
 * is lost. (The `reopen` of the stream library forgets waiting lines when it meets `end`.)
 */
export function rotatingFile(file: string, maxBytes: number, kept: number): LogSink {
  let sizeBytes = existsSync(file) ? statSync(file).size : 0;
  let isOpen = false;
  const closing = new Set<Promise<void>>();
  const open = (): LogStream => {
    const opened = openStream(file);
    isOpen = false;
    opened.once("ready", () => {
      isOpen = true;
    });
    return opened;
  };
  let stream = open();

  const rotate = () => {
    const closed: Promise<void> = closeStream(stream).finally(() => closing.delete(closed));
    closing.add(closed);
    shift(file, kept);
    sizeBytes = 0;
    stream = open();
  };

  return {
    stream: {
      write(line) {
        // A stream that is still opening would make the file anew after it was renamed.
        if (sizeBytes >= maxBytes && isOpen) rotate();
        sizeBytes += Buffer.byteLength(line);
        stream.write(line);
      },
    },
    flush: () => flushStream(stream),
    async close() {
      await Promise.all([closeStream(stream), ...closing]);
    },
  };
}

function shift(file: string, kept: number): void {
  for (let number = kept - 1; number >= 1; number--) {
    if (existsSync(`${file}.${number}`)) renameSync(`${file}.${number}`, `${file}.${number + 1}`);
  }
  if (existsSync(file)) renameSync(file, `${file}.1`);
}
