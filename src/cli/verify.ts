import { createInterface } from "node:readline";
import { z } from "zod";
import { Client, findServer } from "./client.ts";
import { type Command, clientOptions, datasetArgument, flagOption, textOption, UsageError } from "./command.ts";
import { counted, formatCount } from "./figures.ts";
import { printable } from "./table.ts";

const levels = ["chain", "physical", "logical", "rebuild"];
const progressLine = z.object({ progress: z.object({ done: z.number(), total: z.number().nullable() }) });
const reportLine = z.object({
  report: z.object({
    ok: z.boolean(),
    blocks: z.number(),
    slices: z.number(),
    superseded: z.number(),
    expired: z.number(),
    rows: z.number(),
    broken: z.object({ object: z.string(), reason: z.string() }).nullable(),
    rebuilt: z.object({ runs: z.number(), expired: z.number() }).nullable(),
  }),
});

export const verifyCommand: Command = {
  name: "verify",
  summary: "Proves a dataset: its chain, its bytes and the hashes of its rows.",
  usage: "PROJECT.DATASET [--level chain|physical|logical] [--rebuild]",
  arity: [1, 1],
  options: {
    ...clientOptions,
    level: { type: "string", value: "LEVEL", help: "How deep: chain, physical, logical; default logical" },
    rebuild: { type: "boolean", help: "Also does every run of its transform again, and compares the rows" },
  },
  async run(invocation) {
    const { project, dataset } = datasetArgument(invocation);
    const level = flagOption(invocation, "rebuild") ? "rebuild" : (textOption(invocation, "level") ?? "logical");
    if (!levels.includes(level)) throw new UsageError(`there is no level "${level}"; say one of ${levels.join(", ")}`);
    using client = new Client(await findServer(invocation));
    const reply = await client.send({
      method: "POST",
      path: `/api/v1/projects/${project}/datasets/${dataset}/verify`,
      headers: { "content-type": "application/json", accept: "application/x-ndjson" },
      body: JSON.stringify({ level }),
      signal: invocation.signal,
    });
    for await (const line of createInterface({ input: reply })) {
      const value: unknown = JSON.parse(line);
      const report = reportLine.safeParse(value);
      if (report.success) return tellReport(`${project}.${dataset}`, report.data.report);
      const progress = progressLine.safeParse(value);
      if (progress.success && process.stderr.isTTY) {
        const { done, total } = progress.data.progress;
        process.stderr.write(
          `\r\x1b[Kverifying ${formatCount(done)}${total === null ? "" : ` of ${formatCount(total)}`}`,
        );
      }
    }
    process.stderr.write("the server ended the answer without a report\n");
    return 1;
  },
};

function tellReport(name: string, report: z.infer<typeof reportLine>["report"]): number {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  const figures = [counted(report.blocks, "block"), counted(report.slices, "slice"), counted(report.rows, "row")].join(
    ", ",
  );
  if (report.ok) {
    const { superseded, expired } = report;
    const gone = [
      ...(superseded === 0 ? [] : [`${formatCount(superseded)} slices proven from their copies`]),
      ...(expired === 0 ? [] : [`${formatCount(expired)} slices expired`]),
      ...rebuiltFigures(report.rebuilt),
    ];
    process.stdout.write(`${name} is whole: ${[figures, ...gone].join("; ")}\n`);
    return 0;
  }
  const { object, reason } = report.broken ?? { object: "", reason: "unknown" };
  process.stdout.write(`${name} is broken: ${printable(object)}: ${printable(reason)} (checked ${figures})\n`);
  return 1;
}

function rebuiltFigures(rebuilt: z.infer<typeof reportLine>["report"]["rebuilt"]): string[] {
  if (rebuilt === null) return [];
  const { runs, expired } = rebuilt;
  const gone = expired === 0 ? [] : [`${counted(expired, "run")} of rows that have expired`];
  return [`${counted(runs, "run")} made the same rows again`, ...gone];
}
