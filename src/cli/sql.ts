import { Client, findServer } from "./client.ts";
import { type Command, clientOptions, flagOption, textOption, textsOption, UsageError } from "./command.ts";
import { describeError } from "./errors.ts";
import { repl } from "./repl.ts";
import { printResult, type ResultFormat, resultFormats } from "./results.ts";

export const sqlCommand: Command = {
  name: "sql",
  summary: "Runs a query, or opens a prompt where none is given.",
  usage: '["SELECT ..."] [--format table|json|ndjson|csv|parquet|arrow] [--param VALUE]...',
  arity: [0, 1],
  options: {
    ...clientOptions,
    format: { type: "string", short: "f", value: "FORMAT", help: `${resultFormats.join(", ")}; default table` },
    param: { type: "string", value: "VALUE", multiple: true, help: "Value of $1, as text; again for $2 and so on" },
    timing: { type: "boolean", help: "Tells rows and time on standard error" },
  },
  async run(invocation) {
    const format = resultFormat(textOption(invocation, "format") ?? "table");
    using client = new Client(await findServer(invocation));
    const [sql] = invocation.positionals;
    if (sql === undefined) return await repl(client, format, invocation);
    if (sql.trim() === "") throw new UsageError("the statement is empty");
    const parameters = textsOption(invocation, "param");
    const startedMs = performance.now();
    const statement = { sql, parameters, signal: invocation.signal };
    let told: string;
    try {
      told = await printResult(client, statement, format);
    } catch (error) {
      process.stderr.write(describeError(error, sql));
      return 1;
    }
    if (flagOption(invocation, "timing")) {
      process.stderr.write(`${told}, ${(performance.now() - startedMs).toFixed(1)} ms\n`);
    }
    return 0;
  },
};

function resultFormat(name: string): ResultFormat {
  const found = resultFormats.find((format) => format === name);
  if (found === undefined) throw new UsageError(`there is no format "${name}"; say one of ${resultFormats.join(", ")}`);
  return found;
}
