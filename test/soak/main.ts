import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { seededRandom } from "../../src/base/index.ts";
import { tempDirectory } from "../kit/folder.ts";
import { startPlatform } from "../kit/platform.ts";
import { compare } from "./flat.ts";
import { MixedLoad } from "./load.ts";
import { type Sample, takeSample } from "./sample.ts";

// npm run test:soak -- [--minutes M] [--seed S]
const { values } = parseArgs({ options: { minutes: { type: "string", default: "10" }, seed: { type: "string" } } });
const seed = Number(values.seed ?? Date.now() % 1_000_000_000);
const minutes = Number(values.minutes);
const say = (line: string) => process.stdout.write(`${line}\n`);
const sampleEverySeconds = 5;

say(`soak of ${minutes} minutes with seed ${seed}`);
await using folder = await tempDirectory();
// What is kept for a day or a week else is kept for a minute, so that ten minutes see it go.
const flags = ["--ingest.keepReceipts", "60000", "--events.keep", "60000", "--ingest.commitInterval", "1000"];
await using platform = await startPlatform({ dataDirectory: path.join(folder.path, "data"), flags });
const load = new MixedLoad(platform, folder.path, seededRandom(seed));
await load.open();
const samples: Sample[] = [];
const endMs = performance.now() + minutes * 60_000;
let late = 0;
for (let second = 0; performance.now() < endMs; second++) {
  const startedMs = performance.now();
  await load.second();
  if (second % sampleEverySeconds === 0) samples.push(await takeSample(platform));
  if (second % 60 === 0) say(JSON.stringify(samples.at(-1)));
  const leftMs = 1_000 - (performance.now() - startedMs);
  if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs));
  else late++;
}
say(`load: ${JSON.stringify(load.done)}; ${late} seconds took longer than one`);
const figures = compare(samples);
for (const { name, before, after, limit, isFlat } of figures) {
  const shown = [before, after, limit].map((value) => String(Math.round(value * 10) / 10).padStart(10));
  say(`${isFlat ? "flat " : "GREW "} ${name.padEnd(32)} ${shown.join(" ")}`);
}
say("      (median of the second fifth, of the last fifth, and the most it may be)");
for (const line of load.wrong.slice(0, 20)) say(`wrong: ${line}`);
const failed = load.wrong.length + figures.filter((figure) => !figure.isFlat).length;
say(failed === 0 ? "flat" : `${failed} figures grew or answers were wrong`);
process.exitCode = failed === 0 ? 0 : 1;
