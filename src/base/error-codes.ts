/**
 * Every error code that Millrace can answer with, its HTTP status and its SQLSTATE (PostgreSQL appendix A). Codes are
 * stable: clients branch on them. docs/errors.md explains each one, and a test holds the two together.
 */
export const errorCodes = {
  // the caller's request
  bad_request: { status: 400, sqlstate: "22023" },
  bad_config: { status: 400, sqlstate: "F0000" },
  bad_manifest: { status: 400, sqlstate: "22023" },
  bad_name: { status: 400, sqlstate: "42602" },
  bad_input: { status: 400, sqlstate: "22P02" },
  unknown_format: { status: 415, sqlstate: "22023" },
  request_timeout: { status: 408, sqlstate: "08006" },
  too_large: { status: 413, sqlstate: "54000" },
  too_many_requests: { status: 429, sqlstate: "53400" },
  unauthenticated: { status: 401, sqlstate: "28000" },
  forbidden: { status: 403, sqlstate: "42501" },
  not_found: { status: 404, sqlstate: "42P01" },
  already_exists: { status: 409, sqlstate: "42P07" },
  conflict: { status: 409, sqlstate: "40001" },
  dataset_read_only: { status: 409, sqlstate: "25006" },
  replica_diverged: { status: 409, sqlstate: "40001" },
  replica_refused: { status: 422, sqlstate: "22000" },
  precondition_failed: { status: 412, sqlstate: "40001" },
  // SQL
  sql_syntax: { status: 400, sqlstate: "42601" },
  sql_unsupported: { status: 400, sqlstate: "0A000" },
  sql_refused: { status: 403, sqlstate: "42501" },
  dataset_not_found: { status: 404, sqlstate: "42P01" },
  version_not_found: { status: 404, sqlstate: "22023" },
  data_expired: { status: 410, sqlstate: "58P01" },
  sql_binding: { status: 400, sqlstate: "42703" },
  sql_runtime: { status: 400, sqlstate: "22000" },
  bad_parameter: { status: 400, sqlstate: "22023" },
  query_cancelled: { status: 499, sqlstate: "57014" },
  query_timeout: { status: 408, sqlstate: "57014" },
  out_of_memory: { status: 422, sqlstate: "53200" },
  result_too_large: { status: 422, sqlstate: "54000" },
  worker_lost: { status: 503, sqlstate: "57P02" },
  // stored things
  chain_broken: { status: 500, sqlstate: "XX001" },
  unsupported_version: { status: 500, sqlstate: "XX001" },
  // the server's state
  shutting_down: { status: 503, sqlstate: "57P01" },
  unavailable: { status: 503, sqlstate: "58000" },
  unsafe_store: { status: 500, sqlstate: "F0000" },
  disk_full: { status: 507, sqlstate: "53100" },
  internal: { status: 500, sqlstate: "XX000" },
} as const satisfies Record<string, { status: number; sqlstate: string }>;
