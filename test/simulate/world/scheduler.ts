import { createHash } from "node:crypto";
import { type Clock, type Instant, instant, type Random } from "../../../src/base/index.ts";

/** A process of the simulated world. What belongs to it does not happen while it stands still, and never once it is dead. */
export class Actor {
  readonly name: string;
  #state: "running" | "frozen" | "dead" = "running";
  readonly parked: Event[] = [];

  constructor(name: string) {
    this.name = name;
  }

  get state() {
    return this.#state;
  }

  freeze(): void {
    if (this.#state === "running") this.#state = "frozen";
  }

  thaw(scheduler: Scheduler): void {
    if (this.#state !== "frozen") return;
    this.#state = "running";
    for (const event of this.parked.splice(0)) scheduler.resume(event);
  }

  kill(): void {
    this.#state = "dead";
    this.parked.length = 0;
  }
}

interface Event {
  atMs: number;
  order: number;
  readonly owner: Actor | null;
  run: (() => void) | null;
}

/** Why a run cannot go on: never a fault of the system under test alone, and always a failure of the run. */
export class WorldStopped extends Error {}

const mostEvents = 400_000;

/**
 * Time of a world: everything that waits in it is an event here, ordered by its moment and then by when it was asked for.
 * Between two events all promises settle, and the machine's own event loop never turns: what waits for anything real
 * waits for ever, and is told as such.
 */
export class Scheduler {
  #nowMs = 0;
  #order = 0;
  #count = 0;
  readonly #heap: Event[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  get events(): number {
    return this.#count;
  }

  /** Runs `run` after a delay, if its owner is then alive. @returns forgets it */
  after(delayMs: number, owner: Actor | null, run: () => void): () => void {
    if (owner?.state === "dead") return () => {};
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), order: ++this.#order, owner, run };
    this.#push(event);
    return () => {
      event.run = null;
    };
  }

  sleep(delayMs: number, owner: Actor | null = null): Promise<void> {
    return new Promise((resolve) => void this.after(delayMs, owner, resolve));
  }

  /** An event that was parked while its owner stood still happens now. */
  resume(event: Event): void {
    event.atMs = Math.max(event.atMs, this.#nowMs);
    event.order = ++this.#order;
    this.#push(event);
  }

  /** Lets the world go on until `work` has settled. @throws WorldStopped where nothing is left to happen before */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      let ended = false;
      work()
        .then(resolve, reject)
        .finally(() => {
          ended = true;
        });
      // From a microtask: a tick that is asked for in a tick comes before the promises that wait.
      const next = () => void Promise.resolve().then(() => process.nextTick(step));
      const step = () => {
        if (ended) return;
        try {
          if (!this.#happen()) throw new WorldStopped("nothing is left to happen, and somebody still waits");
        } catch (error) {
          ended = true;
          return reject(error);
        }
        next();
      };
      next();
    });
  }

  #happen(): boolean {
    for (;;) {
      const event = this.#pop();
      if (event === undefined) return false;
      if (event.run === null || event.owner?.state === "dead") continue;
      if (event.owner?.state === "frozen") {
        event.owner.parked.push(event);
        continue;
      }
      if (++this.#count > mostEvents) throw new WorldStopped("the world does not come to rest");
      this.#nowMs = event.atMs;
      event.run();
      return true;
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || isBefore(parent, event)) break;
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [a, b] = [heap[left], heap[left + 1]];
      if (a === undefined) break;
      const [child, where] = b !== undefined && isBefore(b, a) ? [b, left + 1] : [a, left];
      if (isBefore(last, child)) break;
      heap[at] = child;
      at = where;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

const epochMs = Date.parse("2030-01-01T00:00:00Z");

/** A machine's clock: its wall time may jump, its timers and durations do not notice. */
export class SimulatedClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #owner: Actor;
  readonly #wall: { skewMs: number };

  /** `wall` is the machine's, and outlives its processes. */
  constructor(scheduler: Scheduler, owner: Actor, wall: { skewMs: number }) {
    this.#scheduler = scheduler;
    this.#owner = owner;
    this.#wall = wall;
  }

  now(): Instant {
    return instant(epochMs + this.#scheduler.nowMs + this.#wall.skewMs);
  }

  monotonicMs(): number {
    return this.#scheduler.nowMs;
  }

  timer(delayMs: number, callback: () => void): () => void {
    return this.#scheduler.after(delayMs, this.#owner, callback);
  }
}

/**
 * A stream of chance of its own for each name: switching one use off changes no other. sfc32 (PractRand): 128 bits of state,
 * so that no two streams of a run ever meet, as ids made from them must not.
 */
export function streamOf(seed: number, name: string): Random {
  const digest = createHash("sha256").update(`${seed} ${name}`).digest();
  let [a, b, c, counter] = [digest.readInt32LE(0), digest.readInt32LE(4), digest.readInt32LE(8), 1];
  const next = () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  return {
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += 4) {
        const word = next();
        for (let byte = 0; byte < 4 && at + byte < length; byte++) bytes[at + byte] = word >>> (8 * byte);
      }
      return bytes;
    },
    float: () => next() / 0x1_0000_0000,
  };
}

/** A stream, in the shapes that decisions have. */
export class Chance {
  readonly #random: Random;

  constructor(seed: number, name: string) {
    this.#random = streamOf(seed, name);
  }

  happens(probability: number): boolean {
    return this.#random.float() < probability;
  }

  /** A whole number from `least` to `most`. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.#random.float() * (most - least + 1));
  }

  /** Mostly near `least`, now and then near `most`. */
  skewed(least: number, most: number): number {
    return least * (most / least) ** (this.#random.float() ** 3);
  }

  /** Each order of magnitude is as likely as another. */
  spread(least: number, most: number): number {
    return least * (most / least) ** this.#random.float();
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.#random.float() * items.length)];
    if (item === undefined) throw new RangeError("nothing to pick from");
    return item;
  }
}
