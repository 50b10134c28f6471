import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { type Config, MillraceError, resolveConfig } from "../base/index.ts";
import { settings } from "../server/index.ts";
import { asUsageError, type Invocation, type OptionSpec } from "./command.ts";

/** Environment variables of the project that are no settings. */
const reserved = [
  "MILLRACE_URL",
  "MILLRACE_TOKEN",
  "MILLRACE_ORIGIN_TOKEN",
  "MILLRACE_CONFIG",
  "MILLRACE_REQUIRE_ALL",
  "MILLRACE_TEST_SEED",
  "MILLRACE_BENCH_CACHE",
];

export type ServerConfig = Config<typeof settings>;

/** Options of every command that reads the server's configuration, besides the settings themselves. */
export const configurationOptions = {
  config: { type: "string", value: "FILE", help: "Configuration file; default millrace.yaml where it exists" },
  "data-dir": { type: "string", value: "DIR", help: settings.dataDir.description },
  port: { type: "string", value: "PORT", help: settings["http.port"].description },
  host: { type: "string", value: "HOST", help: settings["http.host"].description },
  example: { type: "boolean", help: settings.example.description },
} as const satisfies Record<string, OptionSpec>;

/** Names that `parseInvocation` accepts as `--the.name VALUE`. */
export const settingNames: readonly string[] = Object.keys(settings).filter((name) => !(name in configurationOptions));

/** The configuration from flags, environment and file. `own`: options of the command itself. @throws bad_config, UsageError on a flag */
export function readConfiguration(invocation: Invocation, own: readonly string[] = []): ServerConfig {
  const { config, ...flags } = invocation.options;
  const given = Object.entries(flags).filter(
    (entry): entry is [string, string | boolean] =>
      (typeof entry[1] === "string" || typeof entry[1] === "boolean") && !own.includes(entry[0]),
  );
  const named = typeof config === "string" ? config : process.env.MILLRACE_CONFIG;
  const file = readFile(named ?? "millrace.yaml", named !== undefined);
  const sources = { flags: {}, environment: process.env, file };
  resolveConfig(settings, sources, reserved); // what is wrong there is no wrong use of the command
  try {
    return resolveConfig(settings, { ...sources, flags: Object.fromEntries(given) }, reserved);
  } catch (error) {
    throw asUsageError(error);
  }
}

function readFile(name: string, required: boolean): { path: string; tree: unknown } | null {
  let text: string;
  try {
    text = readFileSync(name, "utf8");
  } catch (cause) {
    if (!required) return null;
    throw new MillraceError("bad_config", `The configuration file ${path.resolve(name)} cannot be read.`, { cause });
  }
  try {
    return { path: name, tree: parse(text, { logLevel: "error" }) };
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new MillraceError("bad_config", `The configuration file ${path.resolve(name)} is not YAML: ${said}`, {
      cause,
    });
  }
}
