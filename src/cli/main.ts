import { nearest } from "../base/index.ts";
import { type Command, commandHelp, parseInvocation, UsageError } from "./command.ts";
import { commands } from "./commands.ts";
import { describeError } from "./errors.ts";

/** Exit codes: 0 done, 1 refused or failed, 2 wrong usage. */
async function main(args: readonly string[]): Promise<number> {
  const [name = "help", ...rest] = args;
  if (["help", "--help", "-h"].includes(name)) return showHelp(rest[0]);
  if (["version", "--version", "-v"].includes(name)) return await showVersion();
  const command = commands.find((known) => known.name === name);
  if (command === undefined) {
    const near = nearest(
      name,
      commands.map((known) => known.name),
    );
    const hint = near === null ? `\n\n${overview().trimEnd()}` : `; did you mean "${near}"?`;
    throw new UsageError(`there is no command "${name}"${hint}`);
  }
  if (rest.includes("--help") || rest.includes("-h")) return showHelp(command.name);
  // Timers of the rooms let the process end; while a command runs, it must not.
  const awake = setInterval(() => {}, 60_000);
  const controller = interruption();
  if (command.endsInOrder === true) unread = () => controller.abort(interrupted());
  try {
    return await command.run(parseInvocation(command, rest, controller.signal));
  } finally {
    clearInterval(awake);
  }
}

/** Aborts at the first Ctrl-C or SIGTERM; a second one ends the process at once. */
function interruption(): AbortController {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(interrupted());
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return controller;
}

function interrupted(): Error {
  const reason = new Error("interrupted");
  reason.name = "AbortError";
  return reason;
}

function showHelp(name: string | undefined): number {
  const command: Command | undefined = commands.find((known) => known.name === name);
  process.stdout.write(command === undefined ? overview() : commandHelp(command));
  return 0;
}

async function showVersion(): Promise<number> {
  const { formats, version } = await import("../server/index.ts");
  process.stdout.write(`millrace ${version} (node ${process.versions.node})\n`);
  process.stdout.write(`formats: data folder ${formats.dataFolder}, object store ${formats.objectStore}\n`);
  return 0;
}

function overview(): string {
  const width = Math.max(...commands.map((command) => command.name.length)) + 2;
  const lines = commands.map((command) => `  ${command.name.padEnd(width)}${command.summary}`);
  return ["usage: millrace COMMAND [options]", "", ...lines, "", "millrace COMMAND --help tells more.", ""].join("\n");
}

// A reader that closes early (`| head`) is no failure; what has started others ends them first.
let unread = (): void => process.exit(0);
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    unread();
  });

// Our timers let the process end, and a server that starts may wait for nothing but a timer.
const awake = setInterval(() => {}, 60_000);
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(error instanceof UsageError ? `${error.message}\n` : describeError(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
} finally {
  clearInterval(awake);
}
