import { writeFileSync } from "node:fs";
import path from "node:path";
import { MillraceError, resolveConfig } from "../../../src/base/index.ts";
import { parseInvocation, UsageError } from "../../../src/cli/command.ts";
import { readConfiguration } from "../../../src/cli/configuration.ts";
import { upCommand } from "../../../src/cli/up.ts";
import { settings } from "../../../src/server/index.ts";
import { type TempDirectory, tempDirectory } from "../../kit/folder.ts";
import type { FuzzEntry } from "../campaign.ts";
import type { Dice } from "../dice.ts";
import { checkRefusal, Finding } from "../finding.ts";
import { plainInput } from "../input.ts";
import { mutateBytes, mutateWords } from "../mutate.ts";
import { anyText, deepText, jsonText } from "../values.ts";

const names = Object.keys(settings);
const valid = [
  "http:\n  port: 8081\n  host: 127.0.0.1\nqueries:\n  memory: 1GB\n  threads: 2\ningest.pending: 64MiB\n",
  "dataDir: /tmp/x\nlog.level: debug\nexample: true\nobjectStore: file:/tmp/o\n",
  '{"metrics": {"open": false}, "postgres": {"url": "postgres://u:p@h/d"}}',
];
const words = [
  ...names,
  ":",
  "-",
  "---",
  "{",
  "}",
  "&a",
  "*a",
  "<<",
  "!!binary",
  "null",
  "0",
  "-1",
  "1e9",
  "99999999999999999999",
  "0.5GB",
  "10 MB",
  "1TiB",
  "true",
  "'",
  '"',
  "\t",
];
const flags = [
  "--port",
  "--host",
  "--data-dir",
  "--example",
  "--config",
  "--help",
  "--",
  "-x",
  "--port=",
  ...names.map((name) => `--${name}`),
];

/** The configuration file, the environment and the flags, in this process. */
export async function configurationEntry(): Promise<FuzzEntry & AsyncDisposable> {
  const folder: TempDirectory = await tempDirectory();
  const file = path.join(folder.path, "millrace.yaml");
  return {
    name: "configuration",
    atOnce: 1,
    deadlineMs: 2_000,
    make(dice) {
      const environment = dice.list(3, () => [
        `MILLRACE_${dice.pick(names).replaceAll(".", "_").toUpperCase()}`,
        valueText(dice),
      ]);
      const args = dice.list(5, () => (dice.chance(0.6) ? dice.pick(flags) : valueText(dice)));
      return plainInput(Buffer.from(fileText(dice)), JSON.stringify({ environment, args }));
    },
    async judge(input) {
      const { environment, args }: { environment: [string, string][]; args: string[] } =
        input.path === "" ? { environment: [], args: [] } : JSON.parse(input.path);
      writeFileSync(file, input.body ?? new Uint8Array());
      try {
        resolveConfig(settings, { flags: {}, environment: Object.fromEntries(environment), file: null });
      } catch (error) {
        checkRefusal(error, ["bad_config"]);
      }
      try {
        const invocation = parseInvocation(
          upCommand,
          ["--config", file, ...args.filter((arg) => arg !== "--config")],
          new AbortController().signal,
        );
        const { values } = readConfiguration(invocation);
        if (!Number.isSafeInteger(values["http.port"]) || values["queries.memory"] < 0)
          throw new Finding("an impossible value was taken");
      } catch (error) {
        if (error instanceof Finding || error instanceof UsageError) return rethrow(error);
        checkRefusal(error, ["bad_config"]);
        if (error instanceof MillraceError && /\n\s+at /.test(error.message))
          throw new Finding(`a stack for a person: ${error.message}`);
      }
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

function rethrow(error: Finding | UsageError): void {
  if (error instanceof Finding) throw error;
}

function fileText(dice: Dice): string | Uint8Array {
  switch (dice.below(10)) {
    case 0:
      return dice.bytes(dice.few(300));
    case 1:
      return dice.chance(0.1) ? deepText(dice) : mutateWords(dice, dice.pick(valid), words);
    case 2:
      return dice.list(6, () => `${dice.pick(names)}: ${jsonText(dice)}`).join("\n");
    case 3:
    case 4:
      return dice.list(6, () => `${dice.pick(names)}: ${valueText(dice)}`).join("\n");
    case 5:
      return mutateBytes(dice, Buffer.from(dice.pick(valid)));
    default:
      return mutateWords(dice, dice.pick(valid), words);
  }
}

function valueText(dice: Dice): string {
  return dice.chance(0.3)
    ? anyText(dice).replaceAll("\u0000", "")
    : dice.pick([
        "1",
        "0",
        "-1",
        "8080",
        "65536",
        "1.5",
        "true",
        "1GB",
        "1 KiB",
        "-5MB",
        "9e99",
        "file:/x",
        "postgres://h",
        "info",
        "*",
        "",
      ]);
}
