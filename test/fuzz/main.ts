import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { runCampaign } from "./campaign.ts";
import { entryNames, openEntries } from "./entries.ts";

// npm run test:fuzz -- [--inputs N] [--seed S] [--entry NAME]... [--only NUMBER]
const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "10000" },
    seed: { type: "string" },
    entry: { type: "string", multiple: true },
    only: { type: "string" },
  },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000_000);
const foundFolder = path.join(import.meta.dirname, "found");
const say = (line: string) => process.stdout.write(`${line}\n`);
const wanted = values.entry ?? entryNames;
const unknown = wanted.filter((name) => !entryNames.some((known) => known === name || known.startsWith(`${name}.`)));
if (unknown.length > 0) {
  say(`there is no entry ${unknown.join(", ")}; entries: ${entryNames.join(", ")}`);
  process.exit(2);
}
say(`fuzz with seed ${seed}`);
let failed = 0;
await using entries = await openEntries();
for (const name of entryNames) {
  if (!wanted.some((one) => name === one || name.startsWith(`${one}.`))) continue;
  const entry = await entries.open(name);
  const only = values.only === undefined ? {} : { only: Number(values.only) };
  const { judged, seconds, findings, plateaus } = await runCampaign(entry, {
    seed,
    inputs: Number(values.inputs),
    foundFolder,
    say,
    ...only,
  });
  failed += findings.length;
  const rate = Math.round(judged / seconds);
  say(`${name}: ${judged} inputs in ${seconds.toFixed(1)} s (${rate}/s), ${findings.length} findings`);
  for (const finding of findings) if (!finding.includes("--seed")) say(`  ${finding}`);
  for (const line of plateaus) say(`  ${line}`);
  await entries.close();
}
say(failed === 0 ? "nothing found" : `${failed} findings`);
process.exitCode = failed === 0 ? 0 : 1;
