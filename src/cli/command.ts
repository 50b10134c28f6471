import { parseArgs } from "node:util";
import { type DatasetPath, datasetPath, MillraceError, nearest } from "../base/index.ts";

/** Wrong use of the command line: exit code 2, with the usage line of the command. */
export class UsageError extends Error {}

export interface OptionSpec {
  readonly type: "string" | "boolean";
  readonly help: string;
  readonly short?: string;
  /** How the value is named in the help. */
  readonly value?: string;
  /** May be given many times. */
  readonly multiple?: boolean;
}

export interface Invocation {
  readonly positionals: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | readonly (string | boolean)[] | undefined>>;
  /** Aborts on Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** After the name, as in `PROJECT.DATASET FILE...`. */
  readonly usage: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Fewest and most positionals. */
  readonly arity: readonly [number, number];
  /** Settings of the server are options too: `--http.port 8080`. */
  readonly acceptsSettings?: readonly string[];
  /** Where nobody reads its output any more, it is ended as by Ctrl-C: what it has started must not outlive it. */
  readonly endsInOrder?: boolean;
  /** The exit code: 0 done, 1 refused or failed. @throws UsageError */
  run(invocation: Invocation): Promise<number>;
}

/** Options that every client command has. */
export const clientOptions = {
  url: { type: "string", value: "URL", help: "Server; default MILLRACE_URL, or the local server" },
  "data-dir": { type: "string", value: "DIR", help: "Data folder of the local server; default .millrace" },
} as const satisfies Record<string, OptionSpec>;

/** Reads a command's arguments. @throws UsageError naming the nearest option */
export function parseInvocation(command: Command, args: readonly string[], signal: AbortSignal): Invocation {
  const names = [...Object.keys(command.options), ...(command.acceptsSettings ?? [])];
  const settingOptions = Object.fromEntries(
    (command.acceptsSettings ?? []).map((name) => [name, { type: "string" as const }]),
  );
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      strict: true,
      options: { ...settingOptions, ...command.options },
    });
    const [least, most] = command.arity;
    if (positionals.length < least || positionals.length > most) throw new UsageError(usageLine(command));
    return { positionals, options: values, signal };
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof TypeError)) throw error;
    const unknown = /Unknown option '-*([^']+)'/.exec(error.message)?.[1];
    const near = unknown === undefined ? null : nearest(unknown, names);
    const said = unknown === undefined ? error.message : `${command.name} has no option --${unknown}`;
    throw new UsageError(`${said}${near === null ? "" : `; did you mean --${near}?`}\n${usageLine(command)}`);
  }
}

export function usageLine(command: Command): string {
  return `usage: millrace ${command.name}${command.usage === "" ? "" : ` ${command.usage}`}`;
}

export function commandHelp(command: Command): string {
  const rows = Object.entries(command.options).map(([name, option]) => {
    const short = option.short === undefined ? "" : `-${option.short}, `;
    return [
      `  ${short}--${name}${option.type === "string" ? ` ${option.value ?? "VALUE"}` : ""}`,
      option.help,
    ] as const;
  });
  const width = Math.max(0, ...rows.map(([left]) => left.length)) + 2;
  const listed = rows.map(([left, right]) => `${left.padEnd(width)}${right}`);
  return [command.summary, "", usageLine(command), ...(listed.length > 0 ? ["", ...listed] : []), ""].join("\n");
}

/** An option's text; undefined where it was not given. */
export function textOption(invocation: Invocation, name: string): string | undefined {
  const value = invocation.options[name];
  return typeof value === "string" ? value : undefined;
}

export function flagOption(invocation: Invocation, name: string): boolean {
  return invocation.options[name] === true;
}

/** An option that may be given many times: each text, in order. */
export function textsOption(invocation: Invocation, name: string): string[] {
  const values = invocation.options[name];
  return Array.isArray(values) ? values.map(String) : [];
}

/** The first argument as a dataset's name. @throws UsageError */
export function datasetArgument({ positionals }: Invocation): DatasetPath {
  try {
    return datasetPath(positionals[0] ?? "");
  } catch (error) {
    throw asUsageError(error);
  }
}

/** What somebody has typed wrong, told as wrong usage. */
export function asUsageError(error: unknown): unknown {
  if (!(error instanceof MillraceError)) return error;
  return new UsageError(error.hint === undefined ? error.message : `${error.message}\nhint: ${error.hint}`);
}
