import { expect, test } from "vitest";
import { runSeeds } from "./seeds.ts";

/** Each world is a few servers, their disks, store and database, and half a minute of faults; see README.md. */
const seeds = 5_000;
/** On a slow machine the suite ends with fewer, and says how many; `npm run test:simulate` runs any number. */
const budgetMs = 6 * 60_000;
const leastSeeds = 500;

test(
  `${seeds} worlds keep every promise`,
  async () => {
    const beganMs = performance.now();
    let done = 0;
    let hours = 0;
    while (done < seeds && (done < leastSeeds || performance.now() - beganMs < budgetMs)) {
      const part = await runSeeds({ from: done + 1, count: Math.min(250, seeds - done) });
      for (const { seed, failure, trace } of part.failures)
        process.stdout.write(
          `${trace}\nseed ${seed} FAILED: ${failure}\nagain: npm run test:simulate -- --seed ${seed}\n`,
        );
      expect(part.failures.map(({ seed, failure }) => ({ seed, failure }))).toEqual([]);
      done += part.done;
      hours += part.simulatedMs / 3_600_000;
    }
    process.stdout.write(`${done} of ${seeds} worlds, ${hours.toFixed(1)} hours of theirs\n`);
  },
  30 * 60_000,
);
