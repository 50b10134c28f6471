import { pino } from "pino";
import { type Clock, formatInstant, type LogFields, type Logger } from "../../base/index.ts";
import { type LogDestination, openDestination } from "./destination.ts";
import { redactFields, redactText } from "./redact.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface LogOptions {
  readonly level: LogLevel;
  readonly destination: LogDestination;
  readonly clock: Clock;
}

/** The process's root logger; close it last, which writes what waits. */
export interface RootLogger extends Logger, AsyncDisposable {
  /** Writes what waits at once: for the last words of a process. */
  flush(): void;
}

/**
 * One JSON object a line: `time` (ISO 8601, UTC), `level`, `message`, and the fields. Secrets are masked here, once, for
 * every caller. Lines are written without waiting; more than 16 MB that wait are dropped, so a stuck disk costs no memory.
 */
export function openLogger({ level, destination, clock }: LogOptions): RootLogger {
  const sink = openDestination(destination);
  const root = pino(
    {
      level,
      base: null,
      messageKey: "message",
      timestamp: () => `,"time":"${formatInstant(clock.now())}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    sink.stream,
  );
  return {
    ...wrap(root),
    flush: () => sink.flush(),
    [Symbol.asyncDispose]: () => sink.close(),
  };
}

function wrap(logger: pino.Logger): Logger {
  // The check comes first: a line that is not written costs no redaction.
  const say = (level: "debug" | "info" | "warn" | "error") => (message: string, fields?: LogFields) => {
    if (!logger.isLevelEnabled(level)) return;
    if (fields === undefined) logger[level](redactText(message));
    else logger[level](redactFields(fields), redactText(message));
  };
  return {
    debug: say("debug"),
    info: say("info"),
    warn: say("warn"),
    error: say("error"),
    child: (fields) => wrap(logger.child(redactFields(fields))),
  };
}
