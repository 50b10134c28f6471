/**
 * Every metric of Millrace: its kind, unit (in the name), help, labels and buckets. `/metrics` shows each under the prefix
 * `millrace_`. Labels hold only values from small closed sets: never a dataset, a user or a text of a caller.
 */
export type Declaration = {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
} & (
  | { readonly kind: "counter" }
  | { readonly kind: "gauge" }
  | { readonly kind: "histogram"; readonly buckets: readonly number[] }
);

const fastSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export const declaredMetrics: readonly Declaration[] = [
  // gateway
  {
    name: "http_requests_total",
    kind: "counter",
    help: "Requests answered, by route and status class.",
    labels: ["method", "route", "status"],
  },
  {
    name: "http_request_seconds",
    kind: "histogram",
    help: "Seconds from a request's head to the end of its answer.",
    labels: ["method", "route"],
    buckets: fastSeconds,
  },
  { name: "http_requests_active", kind: "gauge", help: "Requests being served now." },
  { name: "http_connections", kind: "gauge", help: "Open connections." },
  { name: "http_received_bytes_total", kind: "counter", help: "Bytes of streamed request bodies." },
  { name: "http_malformed_total", kind: "counter", help: "Connections ended because what came is no HTTP request." },
  { name: "http_slow_clients_total", kind: "counter", help: "Connections ended because the client stalled." },
  { name: "http_event_streams", kind: "gauge", help: "Open streams of events." },
  { name: "http_live_streams", kind: "gauge", help: "Open live streams of consoles." },
  { name: "http_live_cut_total", kind: "counter", help: "Live streams ended because their reader was too slow." },
  { name: "redis_connections", kind: "gauge", help: "Open connections of the Redis door." },
  { name: "redis_requests_total", kind: "counter", help: "Requests answered by the Redis door." },
  // telemetry
  {
    name: "telemetry_rows_total",
    kind: "counter",
    help: "Rows handed to the system datasets.",
    labels: ["dataset"],
  },
  {
    name: "telemetry_rows_dropped_total",
    kind: "counter",
    help: "Rows lost because a system dataset could not take them in time.",
    labels: ["dataset"],
  },
  {
    name: "telemetry_rows_waiting",
    kind: "gauge",
    help: "Rows that wait to be written to the system datasets.",
    labels: ["dataset"],
  },
  // lookups
  { name: "lookups", kind: "gauge", help: "Lookups that this server holds." },
  { name: "lookups_ready", kind: "gauge", help: "Lookups that this server holds and that are loaded." },
  { name: "lookup_entries", kind: "gauge", help: "Rows by key in memory, of all lookups." },
  { name: "lookup_bytes", kind: "gauge", help: "Memory of all lookups' keys, rows and tables." },
  { name: "lookup_entry_bytes", kind: "gauge", help: "Memory by row in memory." },
  {
    name: "lookup_behind_rows",
    kind: "gauge",
    help: "Committed rows that the lookup furthest behind has not taken in.",
  },
  { name: "lookup_behind_seconds", kind: "gauge", help: "Seconds that the lookup furthest behind is behind." },
  // storage
  { name: "cache_hits_total", kind: "counter", help: "Slices of a remote store that were found in the local cache." },
  { name: "cache_fetched_bytes_total", kind: "counter", help: "Bytes of slices fetched into the local cache." },
  { name: "cache_bytes", kind: "gauge", help: "Bytes that the local cache of slices takes." },
  // worker processes
  {
    name: "worker_resident_bytes",
    kind: "gauge",
    help: "Resident memory of each worker process.",
    labels: ["role", "worker"],
  },
  { name: "workers", kind: "gauge", help: "Worker processes by role and state.", labels: ["role", "state"] },
  { name: "worker_queue", kind: "gauge", help: "Jobs that wait for a worker.", labels: ["role"] },
  { name: "worker_restarts", kind: "gauge", help: "Workers replaced since the start." },
];
