const stepMs = 30_000;
const steps = 120;

/** What was committed to one dataset, step by step; the oldest step first. */
export interface Flow {
  /** PROJECT.DATASET */
  readonly path: string;
  readonly rows: readonly number[];
  readonly bytes: readonly number[];
}
export interface FlowHistory {
  readonly fromMs: number;
  readonly stepMs: number;
  readonly flows: readonly Flow[];
}

/** One dataset's last steps in a ring: the step number modulo `steps` is the place. */
interface Ring {
  readonly rows: Float64Array;
  readonly bytes: Float64Array;
  newest: number;
}

/**
 * Rows and bytes that were committed in the last hour, by dataset, in steps of 30 seconds. Commits may come in any order. It
 * holds as many rings as there are datasets with a commit within the hour.
 */
export class FlowLedger {
  readonly #rings = new Map<string, Ring>();
  #sweptAt = 0;

  add(commit: { path: string; atMs: number; rows: number; bytes: number }, nowMs: number): void {
    const now = stepOf(nowMs);
    const step = Math.min(now, stepOf(commit.atMs)); // the database's clock may be ahead
    if (step <= now - steps) return;
    this.#sweep(now);
    const ring = this.#rings.get(commit.path) ?? emptyRing(step);
    this.#rings.set(commit.path, ring);
    turnTo(ring, step);
    if (step <= ring.newest - steps) return;
    const place = step % steps;
    ring.rows[place] = (ring.rows[place] ?? 0) + commit.rows;
    ring.bytes[place] = (ring.bytes[place] ?? 0) + commit.bytes;
  }

  forget(path: string): void {
    this.#rings.delete(path);
  }

  /** The steps of the last minutes (at most 60) up to now; datasets without a commit in them are left out. */
  history(nowMs: number, minutes: number): FlowHistory {
    const now = stepOf(nowMs);
    const wanted = Math.max(1, Math.min(steps, Math.round((minutes * 60_000) / stepMs)));
    const first = now - wanted + 1;
    const flows: Flow[] = [];
    for (const [path, ring] of this.#rings) {
      if (ring.newest < first) continue;
      const flow = { path, rows: stepsOf(ring, ring.rows, first, now), bytes: stepsOf(ring, ring.bytes, first, now) };
      if (flow.rows.some((rows) => rows > 0)) flows.push(flow);
    }
    return { fromMs: first * stepMs, stepMs, flows };
  }

  get size(): number {
    return this.#rings.size;
  }

  #sweep(now: number): void {
    if (this.#sweptAt === now) return;
    this.#sweptAt = now;
    for (const [path, ring] of this.#rings) if (ring.newest <= now - steps) this.#rings.delete(path);
  }
}

const stepOf = (atMs: number) => Math.floor(atMs / stepMs);

function emptyRing(newest: number): Ring {
  return { rows: new Float64Array(steps), bytes: new Float64Array(steps), newest };
}

/** Steps that the ring has not seen begin at nothing. */
function turnTo(ring: Ring, step: number): void {
  const from = Math.max(ring.newest + 1, step - steps + 1);
  for (let one = from; one <= step; one++) {
    ring.rows[one % steps] = 0;
    ring.bytes[one % steps] = 0;
  }
  ring.newest = Math.max(ring.newest, step);
}

function stepsOf(ring: Ring, values: Float64Array, first: number, last: number): number[] {
  const found: number[] = [];
  for (let step = first; step <= last; step++) {
    const isHeld = step <= ring.newest && step > ring.newest - steps;
    found.push(isHeld ? (values[step % steps] ?? 0) : 0);
  }
  return found;
}
