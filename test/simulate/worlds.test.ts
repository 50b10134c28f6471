import { expect, test } from "vitest";
import { runSeeds } from "./seeds.ts";

/** Each world is a few servers, their disks, store and database, and half a minute of faults; see README.md. */
const seeds = 5_000;

test(
  `${seeds} worlds keep every promise`,
  async () => {
    const { done, failures, events, simulatedMs } = await runSeeds({ from: 1, count: seeds });
    for (const { seed, failure, trace } of failures)
      process.stdout.write(
        `${trace}\nseed ${seed} FAILED: ${failure}\nagain: npm run test:simulate -- --seed ${seed}\n`,
      );
    expect(failures.map(({ seed, failure }) => ({ seed, failure }))).toEqual([]);
    expect(done).toBe(seeds);
    process.stdout.write(`${done} worlds, ${events} events, ${(simulatedMs / 3_600_000).toFixed(1)} hours of theirs\n`);
  },
  15 * 60_000,
);
