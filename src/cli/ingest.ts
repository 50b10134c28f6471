import { type DatasetPath, formatDatasetPath } from "../base/index.ts";
import { Client, findServer } from "./client.ts";
import { type Command, clientOptions, datasetArgument, type Invocation, textOption } from "./command.ts";
import { counted, formatBytes, formatCount, formatDuration } from "./figures.ts";
import { type ImportOutcome, importFile } from "./import.ts";
import { openImportFile } from "./import-file.ts";
import { Progress } from "./progress.ts";
import { printable } from "./table.ts";

export const ingestCommand: Command = {
  name: "ingest",
  summary: "Imports files into a dataset, creating what is missing. Run it again after an interruption: it resumes.",
  usage: "PROJECT.DATASET FILE... [--format F] [--event-time EXPR]",
  arity: [2, 10_000],
  options: {
    ...clientOptions,
    format: {
      type: "string",
      short: "f",
      value: "F",
      help: "ndjson, json, csv, tsv, parquet, arrow, combined, common, syslog, or text:REGEX with named groups; default: detected",
    },
    "event-time": { type: "string", value: "EXPR", help: "Column or SQL expression that tells when a row happened" },
    again: { type: "boolean", help: "Imports a file once more that this dataset already has" },
  },
  async run(invocation) {
    const path = datasetArgument(invocation);
    const files = invocation.positionals.slice(1);
    using client = new Client(await findServer(invocation));
    for (const file of files)
      tellOutcome(file, formatDatasetPath(path), await importOne(client, path, file, invocation));
    return 0;
  },
};

async function importOne(
  client: Client,
  path: DatasetPath,
  name: string,
  invocation: Invocation,
): Promise<ImportOutcome> {
  await using file = await openImportFile(name, textOption(invocation, "format"), invocation.options.again === true);
  using progress = new Progress(printable(file.name), file.sizeBytes);
  return await importFile(client, {
    path,
    file,
    eventTime: textOption(invocation, "event-time"),
    progress,
    signal: invocation.signal,
  });
}

function tellOutcome(name: string, dataset: string, outcome: ImportOutcome): void {
  const shown = printable(name);
  if (outcome.rows === 0 && outcome.quarantined === 0 && outcome.duplicateRows > 0) {
    process.stderr.write(
      `${shown}: ${dataset} already has its ${counted(outcome.duplicateRows, "row")} (--again imports them once more)\n`,
    );
    return;
  }
  const rate = `${formatBytes(outcome.bytes / Math.max(outcome.seconds, 0.001))}/s`;
  const resumed = outcome.duplicateRows > 0 ? `, after ${formatCount(outcome.duplicateRows)} of an earlier run` : "";
  process.stderr.write(
    `${shown}: ${counted(outcome.rows, "row")} into ${dataset}${resumed} (${outcome.format}, ${formatBytes(outcome.bytes)} in ${formatDuration(outcome.seconds)}, ${rate})\n`,
  );
  if (outcome.quarantined === 0) return;
  process.stderr.write(
    `  ${counted(outcome.quarantined, "row")} could not be read and ${outcome.quarantined === 1 ? "is" : "are"} in ${dataset}__quarantine:\n`,
  );
  for (const { reason, count, firstLine } of outcome.reasons.slice(0, 5)) {
    const line = firstLine === null ? "" : `, first in line ${formatCount(firstLine)}`;
    process.stderr.write(`    ${formatCount(count)} x ${printable(reason)}${line}\n`);
  }
}
