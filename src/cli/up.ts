import { ownCommand } from "../base/index.ts";
import type { RunningServer } from "../server/index.ts";
import type { Command } from "./command.ts";
import { configurationOptions, readConfiguration, settingNames } from "./configuration.ts";
import { counted, formatBytes, formatCount } from "./figures.ts";

export const upCommand: Command = {
  name: "up",
  summary: "Runs the platform until Ctrl-C.",
  usage: "[--data-dir DIR] [--port N] [--example] [--SETTING VALUE]...",
  arity: [0, 0],
  endsInOrder: true,
  options: configurationOptions,
  acceptsSettings: settingNames,
  async run(invocation) {
    const config = readConfiguration(invocation);
    const { startServer } = await import("../server/index.ts");
    await using server = await startServer(config, invocation.signal);
    process.stdout.write(`millrace ready ${server.url}\n`);
    process.stderr.write(welcome(server, config.values.example));
    const ticker = startTicker(server);
    await aborted(AbortSignal.any([invocation.signal, server.ended]));
    if (ticker !== null) clearInterval(ticker);
    process.stderr.write("\nstopping\n");
    server.ended.throwIfAborted();
    return 0;
  },
};

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // A listener alone does not keep the process alive; the server's own sockets do.
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function welcome(server: RunningServer, example: boolean): string {
  const dataset = example ? "example.requests" : "my.data";
  const first = example
    ? `${ownCommand} sql "SELECT path, count(*) AS requests FROM example.requests GROUP BY path ORDER BY requests DESC LIMIT 5"`
    : `${ownCommand} ingest my.data YOUR_FILE.csv`;
  const second = example
    ? `${ownCommand} ingest my.data YOUR_FILE.csv`
    : `${ownCommand} sql "SELECT * FROM my.data LIMIT 5"`;
  return `
  Millrace ${server.version}

  Console  ${server.url}
${server.needsSetUp ? `           It asks once for the owner's token, which stands in ${server.ownerTokenFile}\n` : ""}
  API      ${server.url}/api/v1
  Token    ${server.ownerTokenFile}
  Data     ${server.dataDirectory}
  Log      ${server.logFile ?? "standard error"}

  Try, in another terminal of this folder:
    ${first}
    ${second}
    ${ownCommand} verify ${dataset}

  Ctrl-C stops everything in order.

`;
}

const rateSeconds = 10;

/** Live counts on one line of a terminal, every second. */
function startTicker(server: RunningServer): NodeJS.Timeout | null {
  if (!process.stderr.isTTY) return null;
  const recent: number[] = []; // rows of the last seconds: commits come every few
  return setInterval(() => {
    const { datasets, rows, bytes, queries } = server.counts();
    recent.push(rows);
    if (recent.length > rateSeconds + 1) recent.shift();
    const rate = Math.round((rows - (recent[0] ?? rows)) / Math.max(1, recent.length - 1));
    const figures = [
      counted(datasets, "dataset"),
      `${counted(rows, "row")} (+${formatCount(rate)}/s)`,
      formatBytes(bytes),
      counted(queries, "query", "queries"),
    ];
    process.stderr.write(`\r\x1b[K  ${figures.join("  ·  ")}`);
  }, 1000);
}
