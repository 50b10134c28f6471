import { pino } from "pino";

export interface LogSink {
  readonly stream: { write(line: string): void };
  /** Writes at once what waits, as far as that can be. */
  flush(): void;
  close(): Promise<void>;
}

export type LogStream = ReturnType<typeof pino.destination>;

const waitingBytes = 16 * 1024 * 1024;

export function openStream(dest: string | number): LogStream {
  const stream = pino.destination({ dest, sync: false, append: true, mode: 0o600, maxLength: waitingBytes });
  // A pipe that closes before us, a full disk: what cannot be written is nobody's failure.
  stream.on("error", () => {});
  return stream;
}

export function flushStream(stream: LogStream): void {
  try {
    stream.flushSync();
  } catch {
    // Not open yet or already closed: there is nothing that could be written.
  }
}

export function closeStream(stream: LogStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once("close", resolve);
    stream.once("error", () => resolve());
    stream.end();
  });
}
