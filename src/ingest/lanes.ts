import { type Clock, deadlineSignal, MillraceError } from "../base/index.ts";

/** How long a part waits for the one in front of it to be sent. */
const patienceMs = 30_000;

/** A part on its way. */
export interface Part extends Disposable {
  readonly position: number;
  /** Waits until the part in front is committed or under way. @throws conflict where it does not come, the signal's reason */
  inLine(committed: () => Promise<number>, signal: AbortSignal): Promise<void>;
  /** Says how many rows the part has, once that is known; the parts behind it wait for this. */
  counted(rows: number): void;
  /** Rows of the parts in front that are behind the committed position. */
  ahead(committed: number): Promise<number>;
  /** Settles when the part in front has ended. */
  turn(): Promise<void>;
}

interface Slot {
  readonly position: number;
  readonly rows: PromiseWithResolvers<number>;
  readonly ended: PromiseWithResolvers<void>;
}

/**
 * The parts of imports: committed in the order of their positions, whatever the order in which they come in.
 *
 *   sent --the one in front is under way or committed--> in line --converted--> its turn --committed--> ended
 *     \--nobody sends the one in front--> conflict
 */
export class Lanes {
  readonly #clock: Clock;
  readonly #lanes = new Map<string, Map<number, Slot>>();
  readonly #listeners = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Registers a part; a second sending of the same part waits until the first has ended. */
  async enter(lane: string, position: number, signal: AbortSignal): Promise<Part> {
    const slots = this.#lanes.get(lane) ?? new Map<number, Slot>();
    for (let same = slots.get(position); same !== undefined; same = slots.get(position)) {
      await same.ended.promise;
      signal.throwIfAborted();
    }
    const slot: Slot = { position, rows: Promise.withResolvers(), ended: Promise.withResolvers() };
    slots.set(position, slot);
    this.#lanes.set(lane, slots);
    this.#tell();
    const before = () => slots.get(position - 1);
    return {
      position,
      inLine: async (committed, abort) => {
        using patience = deadlineSignal(this.#clock, patienceMs, () => missing(position), abort);
        while (before() === undefined && (await committed()) < position - 1) await this.#change(patience.signal);
      },
      counted: (rows) => slot.rows.resolve(rows),
      ahead: async (committed) => {
        const isAhead = (other: Slot) => other.position < position && other.position > committed;
        const inFront = [...slots.values()].filter(isAhead);
        const rows = await Promise.all(inFront.map((other) => other.rows.promise));
        return rows.reduce((sum, count) => sum + count, 0);
      },
      turn: async () => await before()?.ended.promise,
      [Symbol.dispose]: () => {
        slots.delete(position);
        if (slots.size === 0 && this.#lanes.get(lane) === slots) this.#lanes.delete(lane);
        slot.rows.resolve(0);
        slot.ended.resolve();
        this.#tell();
      },
    };
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#listeners.delete(done);
        signal.removeEventListener("abort", aborted);
        resolve();
      };
      const aborted = () => {
        this.#listeners.delete(done);
        reject(signal.reason);
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener("abort", aborted, { once: true });
      this.#listeners.add(done);
    });
  }
}

function missing(position: number): MillraceError {
  return new MillraceError("conflict", `Part ${position} came, but part ${position - 1} did not.`, {
    hint: "Send the parts of a source in order, from 1, or from the one behind the last committed.",
    retryAfterS: 1,
  });
}
