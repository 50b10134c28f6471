import type { Sample } from "./sample.ts";

/** How much more a figure may be at the end: a share of what it was, and an amount. */
interface Limit {
  readonly share: number;
  readonly amount: number;
}

const limits: readonly (readonly [RegExp, Limit])[] = [
  [/^memory of the server/, { share: 0.15, amount: 20 }],
  [/^memory of its workers/, { share: 0.2, amount: 100 }],
  [/^memory of PostgreSQL/, { share: 0.2, amount: 20 }],
  [/^files of work/, { share: 0.2, amount: 20 }],
  [/^files of/, { share: 0.1, amount: 8 }],
  // Blocks of the system's own datasets, and of the one that is kept, are there for ever: they are data.
  [/^rows of chain_blocks/, { share: 1, amount: 2_000 }],
  [/^rows of/, { share: 0.2, amount: 200 }],
];

export interface Figure {
  readonly name: string;
  readonly before: number;
  readonly after: number;
  readonly limit: number;
  readonly isFlat: boolean;
}

/** Medians of the second and the last fifth of equal load, figure by figure. */
export function compare(samples: readonly Sample[]): Figure[] {
  const fifth = Math.floor(samples.length / 5);
  const second = samples.slice(fifth, 2 * fifth);
  const last = samples.slice(-fifth);
  return Object.keys(samples[0] ?? {}).map((name) => {
    const [before, after] = [second, last].map((part) => median(part.map((sample) => sample[name] ?? 0)));
    const { share, amount } = limits.find(([pattern]) => pattern.test(name))?.[1] ?? { share: 0, amount: 0 };
    const limit = (before ?? 0) * (1 + share) + amount;
    return { name, before: before ?? 0, after: after ?? 0, limit, isFlat: (after ?? 0) <= limit };
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
