import { expect, test } from "vitest";
import { modes } from "../../src/streams/index.ts";
import { runCases } from "./run.ts";

const cases = Number(process.env.ORACLE_CASES ?? 2_000);
const seed = Number(process.env.ORACLE_SEED ?? 20_261_122);

test("a transform's result is its SELECT's, however the rows came and whoever kept it", async () => {
  process.stdout.write(`${cases} cases from seed ${seed}\n`);
  const startedMs = performance.now();
  const kept = await runCases({ cases, seed });
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
  process.stdout.write(
    `all held, in ${seconds} s: ${[...kept].map(([mode, count]) => `${mode} ${count}`).join(", ")}\n`,
  );
  if (cases >= 100) expect([...kept.keys()].toSorted()).toEqual(modes.toSorted());
}, 10_000_000);
