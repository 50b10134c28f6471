import { expect, test } from "vitest";
import { plants } from "./plants.ts";
import { runCases } from "./run.ts";

/** Results within which each must be found. */
const mostCases = 400;
const seed = 20_261_122;

test.each(plants)(
  "a planted bug is found: $name",
  async ({ name, into }) => {
    const found: unknown = await runCases({ cases: mostCases, seed, into }).catch((error: unknown) => error);
    if (!(found instanceof Error)) return expect.fail(`${mostCases} results did not show it`);
    const shown = found.cause instanceof Error ? found.cause.message : found.message;
    // Other rows than the SELECT's, or than a run makes that is done again; and not a run that fails.
    expect(shown).toMatch(/"rows":[1-9]\d*,"error":null|: the run of block \d+ makes /);
    process.stdout.write(`found "${name}": ${found.message.split("\n")[0]}, of sixteen SELECTs each: ${shown}\n`);
  },
  240_000,
);
