import type { ExposedMetrics } from "./prometheus.ts";

/** What the pool of engine workers tells of itself; the pool happens to fit it. */
export interface WorkerPool {
  status(): {
    readonly workers: readonly {
      readonly id: string;
      readonly role: string;
      readonly state: string;
      readonly rssBytes: number | null;
    }[];
    readonly queued: Readonly<Record<string, number>>;
    readonly restarts: number;
  };
}

/** Shows each worker process at the time of asking; a worker that has gone vanishes with its labels. */
export function collectWorkers(metrics: ExposedMetrics, pool: WorkerPool): void {
  metrics.collect(() => {
    for (const name of ["worker_resident_bytes", "workers", "worker_queue"]) metrics.reset(name);
    const status = pool.status();
    const states = new Map<string, { role: string; state: string; count: number }>();
    for (const worker of status.workers) {
      if (worker.rssBytes !== null) {
        metrics.gauge("worker_resident_bytes", worker.rssBytes, { role: worker.role, worker: worker.id });
      }
      const key = `${worker.role} ${worker.state}`;
      states.set(key, { role: worker.role, state: worker.state, count: (states.get(key)?.count ?? 0) + 1 });
    }
    for (const { role, state, count } of states.values()) metrics.gauge("workers", count, { role, state });
    for (const [role, queued] of Object.entries(status.queued)) metrics.gauge("worker_queue", queued, { role });
    metrics.gauge("worker_restarts", status.restarts);
  });
}
