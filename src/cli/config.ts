import { describeOrigin, nearest } from "../base/index.ts";
import type { Command } from "./command.ts";
import { UsageError } from "./command.ts";
import { configurationOptions, readConfiguration, settingNames } from "./configuration.ts";
import { renderTable } from "./table.ts";

export const configCommand: Command = {
  name: "config",
  summary: "Prints each setting, its value and where it came from; with a NAME, that value alone.",
  usage: "[NAME] [--SETTING VALUE]...",
  arity: [0, 1],
  options: configurationOptions,
  acceptsSettings: settingNames,
  async run(invocation) {
    const { entries } = readConfiguration(invocation);
    const [name] = invocation.positionals;
    if (name === undefined) {
      const rows = entries.map((entry) => [
        entry.name,
        shown(entry.value, entry.secret),
        describeOrigin(entry.origin),
        entry.description,
      ]);
      const columns = ["setting", "value", "from", "meaning"].map((title) => ({ name: title, align: "left" as const }));
      process.stdout.write(renderTable(columns, rows));
      return 0;
    }
    const entry = entries.find((candidate) => candidate.name === name);
    if (entry === undefined) {
      const near = nearest(
        name,
        entries.map((candidate) => candidate.name),
      );
      throw new UsageError(`there is no setting "${name}"${near === null ? "" : `; did you mean "${near}"?`}`);
    }
    process.stdout.write(`${shown(entry.value, false)}\n`);
    return 0;
  },
};

function shown(value: unknown, secret: boolean): string {
  if (value === null) return "";
  return secret ? "(hidden)" : String(value);
}
