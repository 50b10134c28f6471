import type { TraceId } from "./ids.ts";

export type LogFields = Readonly<Record<string, unknown>>;

/** Structured logging. The message is a constant sentence; what varies goes into the fields. Never a secret. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` (a room, a trace id) to everything it says. */
  child(fields: LogFields): Logger;
}

export type Labels = Readonly<Record<string, string>>;

/** Metrics by name; a name always carries the same label names. Units in the name: `_seconds`, `_bytes`, `_total`. */
export interface Metrics {
  /** Adds to a counter. */
  count(name: string, by?: number, labels?: Labels): void;
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: Labels): void;
  /** Observes a duration or size. */
  observe(name: string, value: number, labels?: Labels): void;
}

/** What a room is handed to speak with. */
export interface Telemetry {
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Follows one request from door to worker. */
export interface Trace {
  readonly traceId: TraceId;
}

const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};

/** Says nothing: for tools and tests. */
export const silentTelemetry: Telemetry = {
  log: silentLogger,
  metrics: { count() {}, gauge() {}, observe() {} },
};
