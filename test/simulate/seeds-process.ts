import { run } from "./run.ts";

/** A process of `runSeeds`: a seed comes in, its report goes out. Every fiftieth world is lived twice, and must go the same way. */
process.on("message", async (seed: number) => {
  const report = await run({ seed });
  if (report.failure !== null || seed % 50 !== 0) return void process.send?.(report);
  const again = await run({ seed });
  const failure = again.traceHash === report.traceHash ? null : "the same seed went another way the second time";
  process.send?.({ ...report, failure, trace: failure === null ? "" : again.trace });
});
