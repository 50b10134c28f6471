import { expect, test } from "vitest";
import { runCases } from "./run.ts";

const cases = 60;

test("a transform's result is its SELECT's, however the rows came and whoever kept it", async () => {
  const seed = 20_261_122;
  process.stdout.write(`${cases} cases from seed ${seed}\n`);
  await expect(runCases({ cases, seed })).resolves.toBeUndefined();
}, 300_000);
