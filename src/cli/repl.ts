import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import readline from "node:readline/promises";
import { type Client, dataDirectory } from "./client.ts";
import type { Invocation } from "./command.ts";
import { describeError } from "./errors.ts";
import { printResult, type ResultFormat, resultFormats } from "./results.ts";

const historyLines = 1_000;
const mainPrompt = "millrace> ";
const help = `Statements end with ";" and may span lines.
  .tables          datasets that you may read
  .describe NAME   columns of a dataset
  .format FORMAT   ${resultFormats.join(", ")}
  .timing on|off   rows and time after each statement
  .help            this text
  .quit            leave (also Ctrl-D)
`;

/** The prompt: a session's own settings, changed by dot commands. */
interface Session {
  format: ResultFormat;
  timing: boolean;
}

/** Reads statements until `.quit`, Ctrl-D or a signal. Errors of a statement are told; the prompt goes on. */
export async function repl(client: Client, format: ResultFormat, invocation: Invocation): Promise<number> {
  const isTerminal = process.stdin.isTTY === true;
  const session: Session = { format, timing: isTerminal };
  const file = path.join(dataDirectory(invocation), "sql_history");
  const prompt = readline.createInterface({
    input: process.stdin,
    output: process.stderr,
    history: await readHistory(file),
    historySize: historyLines,
    removeHistoryDuplicates: true,
    completer: (line: string): [string[], string] => [
      [".tables", ".describe ", ".format ", ".timing ", ".help", ".quit"].filter((word) => word.startsWith(line)),
      line,
    ],
  });
  let running: AbortController | null = null;
  let history: readonly string[] = [];
  prompt.on("history", (lines) => {
    history = lines;
  });
  let text = "";
  prompt.on("SIGINT", () => {
    if (running !== null) return running.abort(new Error("cancelled"));
    const hint = text === "" && prompt.line === "" ? "  (Ctrl-D leaves)" : "";
    text = "";
    prompt.write(null, { ctrl: true, name: "e" }); // to the end of the line,
    prompt.write(null, { ctrl: true, name: "u" }); // and all of it away
    process.stderr.write(`^C${hint}\n`);
    prompt.setPrompt(mainPrompt);
    prompt.prompt();
  });
  if (isTerminal) process.stderr.write("Millrace SQL. .help tells the commands; Ctrl-D leaves.\n");
  prompt.setPrompt(mainPrompt);
  if (isTerminal) prompt.prompt();
  let failures = 0;
  for await (const line of prompt) {
    if (text === "" && line.trimStart().startsWith(".")) {
      if (line.trim() === ".quit") break;
      await dotCommand(client, session, line.trim(), invocation.signal);
    } else {
      text = text === "" ? line : `${text}\n${line}`;
      if (text.trimEnd().endsWith(";")) {
        running = new AbortController();
        if (!(await runStatement(client, session, text, AbortSignal.any([running.signal, invocation.signal]))))
          failures++;
        running = null;
        text = "";
      }
    }
    if (text.trim() === "") text = "";
    prompt.setPrompt(text === "" ? mainPrompt : "     ...> ");
    if (isTerminal) prompt.prompt();
  }
  // At a terminal, Ctrl-D drops what was not ended; a file may leave its last semicolon out.
  if (!isTerminal && text.trim() !== "" && !(await runStatement(client, session, text, invocation.signal))) failures++;
  prompt.close();
  if (isTerminal) await writeHistory(file, history);
  return isTerminal || failures === 0 ? 0 : 1;
}

async function runStatement(client: Client, session: Session, sql: string, signal: AbortSignal): Promise<boolean> {
  const startedMs = performance.now();
  try {
    const told = await printResult(client, { sql, parameters: [], signal }, session.format);
    if (session.timing) process.stderr.write(`${told}, ${(performance.now() - startedMs).toFixed(1)} ms\n`);
    return true;
  } catch (error) {
    process.stderr.write(describeError(error, sql));
    return false;
  }
}

async function dotCommand(client: Client, session: Session, line: string, signal: AbortSignal): Promise<void> {
  const [name, argument] = line.split(/\s+/);
  switch (name) {
    case ".tables":
      await runStatement(client, session, "SHOW TABLES", signal);
      return;
    case ".describe":
      await runStatement(client, session, `DESCRIBE ${argument ?? ""}`, signal);
      return;
    case ".format": {
      const found = resultFormats.find((format) => format === argument);
      if (found === undefined) process.stderr.write(`say one of ${resultFormats.join(", ")}\n`);
      else session.format = found;
      return;
    }
    case ".timing":
      session.timing = argument !== "off";
      return;
    case ".help":
      process.stderr.write(help);
      return;
    default:
      process.stderr.write(`there is no command ${name}; .help lists them\n`);
  }
}

async function readHistory(file: string): Promise<string[]> {
  try {
    return (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  } catch {
    return [];
  }
}

async function writeHistory(file: string, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${lines.slice(0, historyLines).join("\n")}\n`, { mode: 0o600 });
}
