import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { silentTelemetry } from "../../base/index.ts";
import { openMetrics } from "./prometheus.ts";
import { declaredMetrics } from "./registry.ts";
import { collectWorkers } from "./workers.ts";

const open = () => openMetrics({ log: silentTelemetry.log, undeclared: "throw" });

/** Every use of a metric in the sources: `metrics.count("name"`. */
function usedMetrics(): { file: string; kind: string; name: string }[] {
  const root = path.resolve(import.meta.dirname, "..", "..");
  const kinds: Readonly<Record<string, string>> = { count: "counter", gauge: "gauge", observe: "histogram" };
  return globSync("**/*.ts", { cwd: root, exclude: (name) => name.endsWith(".test.ts") }).flatMap((file) =>
    [
      ...readFileSync(path.join(root, file), "utf8").matchAll(
        /[mM]etrics\??\s*\.\s*(count|gauge|observe)\(\s*"([^"]+)"/g,
      ),
    ].map(([, method = "", name = ""]) => ({ file, kind: kinds[method] ?? "", name })),
  );
}

describe("metrics", () => {
  test("every metric that a room speaks of is declared, as the kind it is used as", () => {
    const kinds = new Map(declaredMetrics.map(({ name, kind }) => [name, kind]));
    const wrong = usedMetrics().filter(({ name, kind }) => kinds.get(name) !== kind);
    expect(wrong).toEqual([]);
  });

  test("every declared name says its unit and is declared once", () => {
    const names = declaredMetrics.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, kind, help } of declaredMetrics) {
      expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
      expect(name.endsWith("_total")).toBe(kind === "counter");
      expect(help).toMatch(/^[A-Z].*\.$/);
    }
  });

  test("a name, kind or label that is not declared fails", () => {
    const metrics = open();
    expect(() => metrics.count("nothing_total")).toThrow("not declared");
    expect(() => metrics.gauge("http_received_bytes_total", 1)).toThrow("is a counter");
    expect(() => metrics.count("telemetry_rows_total", 1)).toThrow("labels");
  });

  test("shows counters, gauges and histograms in the exposition format", async () => {
    const metrics = open();
    metrics.count("telemetry_rows_total", 3, { dataset: "system.queries" });
    metrics.observe("http_request_seconds", 0.003, { method: "GET", route: "/" });
    const text = await metrics.expose();
    expect(text).toContain('millrace_telemetry_rows_total{dataset="system.queries"} 3');
    expect(text).toMatch(/millrace_http_request_seconds_bucket\{le="0.005",method="GET",route="\/"\} 1/);
  });

  test("a worker that has gone vanishes from the exposition", async () => {
    const metrics = open();
    const worker = (id: string) => ({ id, role: "query", state: "idle", rssBytes: 90 });
    let workers = [worker("w1"), worker("w2")];
    collectWorkers(metrics, { status: () => ({ workers, queued: { query: 4 }, restarts: 1 }) });
    expect(await metrics.expose()).toContain('worker="w1"');
    workers = [worker("w2")];
    const text = await metrics.expose();
    expect(text).not.toContain('worker="w1"');
    expect(text).toContain('millrace_workers{role="query",state="idle"} 1');
    expect(text).toContain('millrace_worker_queue{role="query"} 4');
  });
});
