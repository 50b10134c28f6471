// npm run bench -- NAME: one benchmark; without a name, all of them. Each measures a ratio in one run and ends with
// "NAME ratio=... bar=... ok|short" (one such line for each of its figures); the exit code is not zero when one is short.
import type { Benchmark } from "./benchmark.ts";

const names = [
  "import",
  "push",
  "tpch-http",
  "point",
  "start",
  "memory",
  "s3-query",
  "compaction",
  "long-chain",
  "console",
  "stateless",
  "windowed",
  "freshness",
  "lookup",
];
const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (!names.includes(name)) {
    process.stderr.write(`there is no benchmark "${name}"; say one of ${names.join(", ")}\n`);
    process.exit(2);
  }
}

let short = false;
for (const name of wanted.length > 0 ? wanted : names) {
  const { benchmark } = (await import(`./${name}/${name}.ts`)) as { benchmark: Benchmark };
  const outcomes = [await benchmark((line) => process.stdout.write(`${line}\n`))].flat();
  for (const { part, ratio, bar, atMost } of outcomes) {
    const ok = atMost ? ratio <= bar : ratio >= bar;
    short ||= !ok;
    const label = part === undefined ? name : `${name} ${part}`;
    process.stdout.write(`${label} ratio=${ratio.toFixed(3)} bar=${bar} ${ok ? "ok" : "short"}\n`);
  }
}
process.exit(short ? 1 : 0);
