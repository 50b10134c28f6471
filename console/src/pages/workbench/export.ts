import { ask, path } from "../../api/client.ts";
import type { Query } from "../../api/types.ts";

export const exportFormats = ["csv", "parquet", "json", "arrow"] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** Between two looks at how the query stands: short at first, for most are. */
const looksMs = [50, 100, 200, 400, 800, 1_000];

/**
 * Runs the statement again for a file, without a row limit. The server keeps the result, and the browser takes it as a download: the
 * page never holds it. @throws ApiError
 */
export async function exportResult(
  sql: string,
  format: ExportFormat,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const started = await ask<Query>("/api/v1/sql", {
    method: "POST",
    body: { sql, format, wait: false },
  });
  const drop = () => ask(path`/api/v1/sql/${started.queryId}`, { method: "DELETE" }).catch(() => {});
  signal.addEventListener("abort", drop, { once: true });
  try {
    await ended(started, signal);
  } finally {
    signal.removeEventListener("abort", drop);
  }
  const link = document.createElement("a");
  link.href = path`/api/v1/sql/${started.queryId}/result`;
  link.download = `${fileName(name)}.${format}`;
  document.body.append(link);
  link.click();
  link.remove();
}

async function ended(started: Query, signal: AbortSignal): Promise<void> {
  let query = started;
  for (let look = 0; query.state === "queued" || query.state === "running"; look++) {
    const waitMs = looksMs[Math.min(look, looksMs.length - 1)] ?? 1_000;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    signal.throwIfAborted();
    query = await ask<Query>(path`/api/v1/sql/${started.queryId}`, { signal });
  }
  // Asked for as the download would: a failure comes as the server tells it.
  if (query.state !== "done") await ask(path`/api/v1/sql/${started.queryId}/result`, { signal });
}

/** What every system takes as the name of a file. */
export const fileName = (name: string): string =>
  name
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 80) || "result";
