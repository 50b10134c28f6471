import { type Command, flagOption, UsageError } from "./command.ts";
import { configurationOptions, readConfiguration, settingNames } from "./configuration.ts";
import { counted } from "./figures.ts";
import { printable } from "./table.ts";

export const doctorCommand: Command = {
  name: "doctor",
  summary: "Looks at everything a server stands on, running or not, and says what is wrong and what to do.",
  usage: "[--quick|--full] [--json] [--data-dir DIR]",
  arity: [0, 0],
  options: {
    ...configurationOptions,
    quick: { type: "boolean", help: "Reads nothing that grows with the data" },
    full: { type: "boolean", help: "Reads every byte of every object" },
    json: { type: "boolean", help: "One JSON document" },
  },
  acceptsSettings: settingNames,
  async run(invocation) {
    const [quick, full] = [flagOption(invocation, "quick"), flagOption(invocation, "full")];
    if (quick && full) throw new UsageError("say --quick or --full, not both");
    const config = readConfiguration(invocation, ["quick", "full", "json"]);
    const { examine, formats, version } = await import("../server/index.ts");
    const depth = quick ? "quick" : full ? "full" : "usual";
    const asJson = flagOption(invocation, "json");
    const findings: Finding[] = [];
    for await (const found of await examine(config, depth, invocation.signal)) {
      findings.push(found);
      if (!asJson) tell(found);
    }
    const problems = findings.filter(({ state }) => state === "problem").length;
    const ok = problems === 0;
    if (asJson) process.stdout.write(`${JSON.stringify({ ok, version, formats, depth, findings }, null, 2)}\n`);
    else process.stdout.write(ok ? "nothing is wrong\n" : `${counted(problems, "problem")}\n`);
    return ok ? 0 : 1;
  },
};

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly text: string;
  readonly advice: string | null;
}

function tell({ check, state, text, advice }: Finding): void {
  process.stdout.write(`${state.padEnd(8)} ${printable(check)}: ${printable(text)}\n`);
  if (advice !== null) process.stdout.write(`         → ${printable(advice)}\n`);
}
