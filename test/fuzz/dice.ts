import { createHash } from "node:crypto";
import { type Random, seededRandom } from "../../src/base/index.ts";

/** Choices of one input, all from its seed. */
export class Dice {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** Of the input with this number: each is made from a seed of its own, so that it can be made again without the others. */
  static ofInput(seed: number, entry: string, number: number): Dice {
    const digest = createHash("sha256").update(`${seed}/${entry}/${number}`).digest();
    return new Dice(digest.readUInt32LE(0));
  }

  /** A whole number from 0 on, less than `below`. */
  below(below: number): number {
    return Math.floor(this.#random.float() * below);
  }

  /** From `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** Small numbers more often than large ones. */
  few(most: number): number {
    return this.below(this.between(1, most + 1));
  }

  chance(probability: number): boolean {
    return this.#random.float() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("there is nothing to pick from");
    return item;
  }

  bytes(length: number): Uint8Array {
    return this.#random.bytes(length);
  }

  list<Item>(most: number, make: () => Item): Item[] {
    return Array.from({ length: this.few(most) }, make);
  }
}
