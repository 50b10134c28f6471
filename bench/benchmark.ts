import { mkdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";

export interface Outcome {
  /** Which of several figures of one benchmark this is. */
  readonly part?: string;
  readonly ratio: number;
  readonly bar: number;
  /** The ratio must stay at or below the bar; otherwise at or above it. */
  readonly atMost: boolean;
}

/** Measures and tells figures line by line. */
export type Benchmark = (tell: (line: string) => void) => Promise<Outcome | readonly Outcome[]>;

/** Where generated inputs are kept between runs: outside the repository. */
export function cacheDirectory(): string {
  const folder = process.env.MILLRACE_BENCH_CACHE ?? path.join(os.tmpdir(), "millrace-bench");
  mkdirSync(folder, { recursive: true });
  return folder;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Wall time of the work in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}
