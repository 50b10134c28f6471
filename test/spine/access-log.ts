import { seededRandom } from "../../src/base/index.ts";

/** The dataset of the log's lines. */
export const dataset = "web.access";
/** What its format makes of a line, as far as the derivatives ask for it. */
export const columns = [
  { name: "client_ip", type: "VARCHAR" },
  { name: "method", type: "VARCHAR" },
  { name: "path", type: "VARCHAR" },
  { name: "status", type: "SMALLINT" },
  { name: "bytes", type: "BIGINT" },
  { name: "user_agent", type: "VARCHAR" },
];
/** The visitors, by their address. */
export const lookup = "web.visitors";

/** A derivative of the log, and the query that says the same otherwise: without windows in FROM. */
export interface LogDerivative {
  readonly name: string;
  readonly statement: string;
  readonly columns: string;
  readonly batch: string;
}

export const derivatives: readonly LogDerivative[] = [
  {
    name: "web.sessions",
    statement: `CREATE DATASET web.sessions AS
SELECT client_ip, window_start, window_end, count(*) AS requests, count(DISTINCT path) AS pages, sum(bytes) AS sent
FROM session(${dataset}, event_time, INTERVAL '30 minutes', client_ip)
GROUP BY ALL`,
    columns: "client_ip, window_start, window_end, requests, pages, sent",
    batch: `SELECT client_ip, min(event_time), max(event_time) + INTERVAL 30 MINUTE, count(*), count(DISTINCT path), sum(bytes)
FROM (SELECT *, count(*) FILTER (is_first) OVER (PARTITION BY client_ip ORDER BY event_time, "offset") AS nth
  FROM (SELECT *, coalesce(event_time - lag(event_time) OVER (PARTITION BY client_ip ORDER BY event_time, "offset")
      >= INTERVAL 30 MINUTE, true) AS is_first FROM ${dataset}))
GROUP BY client_ip, nth`,
  },
  {
    name: "web.status_per_minute",
    statement: `CREATE DATASET web.status_per_minute AS
SELECT window_start AS minute, status, count(*) AS requests, max(bytes) AS largest
FROM tumble(${dataset}, event_time, INTERVAL '1 minute')
GROUP BY ALL`,
    columns: "minute, status, requests, largest",
    batch: `SELECT to_timestamp(epoch_ms(event_time) // 60000 * 60), status, count(*), max(bytes) FROM ${dataset} GROUP BY ALL`,
  },
  {
    name: "web.top_pages",
    statement: `CREATE DATASET web.top_pages AS
SELECT window_start AS hour, path, count(*) AS requests
FROM tumble(${dataset}, event_time, INTERVAL '1 hour')
GROUP BY window_start, path
QUALIFY row_number() OVER (PARTITION BY window_start ORDER BY count(*) DESC, path) <= 3`,
    columns: "hour, path, requests",
    batch: `SELECT hour, path, requests
FROM (SELECT *, row_number() OVER (PARTITION BY hour ORDER BY requests DESC, path) AS place
  FROM (SELECT to_timestamp(epoch_ms(event_time) // 3600000 * 3600) AS hour, path, count(*) AS requests FROM ${dataset} GROUP BY ALL))
WHERE place <= 3`,
  },
  {
    name: lookup,
    statement: `CREATE LOOKUP ${lookup} KEY (client_ip) AS
SELECT client_ip, count(*) AS requests, sum(bytes)::BIGINT AS sent, max(event_time) AS last_seen,
  arg_max(user_agent, (event_time, "offset")) AS agent
FROM ${dataset} GROUP BY client_ip`,
    columns: "client_ip, requests, sent, last_seen, agent",
    batch: `SELECT client_ip, count(*), sum(bytes)::BIGINT, max(event_time), arg_max(user_agent, (event_time, "offset"))
FROM ${dataset} GROUP BY client_ip`,
  },
];

/** How many rows are in the one and not in the other. */
export function differenceSql({ name, columns: own, batch }: LogDerivative): string {
  const kept = `SELECT ${own} FROM ${name}`;
  return `SELECT count(*) AS n FROM ((${kept} EXCEPT ALL (${batch})) UNION ALL ((${batch}) EXCEPT ALL ${kept}))`;
}

export interface Replay {
  readonly seed: number;
  /** A line comes about this many places too early or too late at most. */
  readonly windowLines: number;
  readonly batchLines: number;
}

/** The lines in batches, out of order. */
export function replayed(lines: readonly string[], { seed, windowLines, batchLines }: Replay): readonly string[][] {
  const random = seededRandom(seed);
  const late = lines.map((line, at) => ({ line, place: at + random.float() * windowLines }));
  const inOrder = late.toSorted((a, b) => a.place - b.place).map(({ line }) => line);
  const batches: string[][] = [];
  for (let at = 0; at < inOrder.length; at += batchLines) batches.push(inOrder.slice(at, at + batchLines));
  return batches;
}
