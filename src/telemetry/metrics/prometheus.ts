import prom from "prom-client";
import type { Labels, Logger, Metrics } from "../../base/index.ts";
import { type Declaration, declaredMetrics } from "./registry.ts";

export interface MetricsOptions {
  readonly log: Logger;
  /** What a name that registry.ts does not declare does: fails the caller (tests), or is logged once and dropped. */
  readonly undeclared: "throw" | "log";
  /** Also what Node knows of this process: processor time, resident memory, event loop delay, handles. */
  readonly processMetrics?: boolean;
}

/** Metrics that `/metrics` can show. */
export interface ExposedMetrics extends Metrics {
  readonly contentType: string;
  /** The text of the Prometheus exposition format; asks the collectors first. */
  expose(): Promise<string>;
  /** Called before each exposition to set gauges from a room's present state. */
  collect(collector: () => void): void;
  /** Forgets a gauge's values, so that labels of what is gone vanish. */
  reset(name: string): void;
}

type Family =
  | { readonly kind: "counter"; readonly labels: readonly string[]; readonly metric: prom.Counter }
  | { readonly kind: "gauge"; readonly labels: readonly string[]; readonly metric: prom.Gauge }
  | { readonly kind: "histogram"; readonly labels: readonly string[]; readonly metric: prom.Histogram };

/**
 * base Metrics over prom-client. Every name, its unit, help, labels and buckets are declared in registry.ts; a name, kind
 * or label that is not there is a fault of the caller (see `undeclared`).
 */
export function openMetrics({ log, undeclared, processMetrics = false }: MetricsOptions): ExposedMetrics {
  const registry = new prom.Registry();
  const families = new Map<string, Family>();
  for (const declared of declaredMetrics) families.set(declared.name, register(registry, declared));
  if (processMetrics) prom.collectDefaultMetrics({ register: registry, prefix: "millrace_" });
  const collectors: (() => void)[] = [];
  const complained = new Set<string>();

  const complain = (problem: string): null => {
    if (undeclared === "throw") throw new Error(problem);
    if (!complained.has(problem) && complained.size < 1_000) {
      complained.add(problem);
      log.error("a metric is not declared", { problem });
    }
    return null;
  };

  const find = (name: string, kind: Family["kind"], labels: Labels): Family | null => {
    const family = families.get(name);
    if (family === undefined) return complain(`metric ${name} is not declared`);
    if (family.kind !== kind) return complain(`metric ${name} is a ${family.kind}, used as ${kind}`);
    const given = Object.keys(labels);
    if (given.length !== family.labels.length || given.some((label) => !family.labels.includes(label))) {
      return complain(`metric ${name} has the labels (${family.labels.join(", ")}), not (${given.join(", ")})`);
    }
    return family;
  };

  return {
    contentType: registry.contentType,
    count(name, by = 1, labels = {}) {
      const family = find(name, "counter", labels);
      if (family?.kind === "counter") family.metric.inc(labels, by);
    },
    gauge(name, value, labels = {}) {
      const family = find(name, "gauge", labels);
      if (family?.kind === "gauge") family.metric.set(labels, value);
    },
    observe(name, value, labels = {}) {
      const family = find(name, "histogram", labels);
      if (family?.kind === "histogram") family.metric.observe(labels, value);
    },
    reset(name) {
      families.get(name)?.metric.reset();
    },
    collect(collector) {
      collectors.push(collector);
    },
    async expose() {
      for (const collector of collectors) collector();
      return await registry.metrics();
    },
  };
}

function register(registry: prom.Registry, declared: Declaration): Family {
  const about = {
    name: declared.name.startsWith("millrace_") ? declared.name : `millrace_${declared.name}`,
    help: declared.help,
    labelNames: [...(declared.labels ?? [])],
    registers: [registry],
  };
  const labels = declared.labels ?? [];
  switch (declared.kind) {
    case "counter":
      return { kind: "counter", labels, metric: new prom.Counter(about) };
    case "gauge":
      return { kind: "gauge", labels, metric: new prom.Gauge(about) };
    case "histogram":
      return { kind: "histogram", labels, metric: new prom.Histogram({ ...about, buckets: [...declared.buckets] }) };
  }
}
