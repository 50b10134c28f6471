import { Worker } from "node:worker_threads";

/** Watches inputs of a process whose own thread may hang in one of them. */
export interface Guard extends AsyncDisposable {
  begin(number: number): void;
  end(number: number): void;
}

const slots = 128;

/**
 * A thread that looks at what is under way. An input that holds this process's thread for four deadlines can be told by
 * nobody else: the guard prints it and ends the process.
 */
export function openGuard(
  entry: { readonly name: string; readonly deadlineMs: number; readonly atOnce: number },
  seed: number,
): Guard {
  const numbers = new Int32Array(new SharedArrayBuffer(slots * 4)).fill(-1);
  const watcher = new Worker(watch, {
    eval: true,
    workerData: {
      numbers,
      limitMs: entry.deadlineMs * 4 + 30_000,
      what: `--entry ${entry.name} --seed ${seed} --only`,
    },
  });
  watcher.unref();
  return {
    begin(number) {
      const free = numbers.indexOf(-1);
      if (free >= 0) Atomics.store(numbers, free, number);
    },
    end(number) {
      const taken = numbers.indexOf(number);
      if (taken >= 0) Atomics.store(numbers, taken, -1);
    },
    async [Symbol.asyncDispose]() {
      await watcher.terminate();
    },
  };
}

const watch = `
  const { workerData: { numbers, limitMs, what } } = require("node:worker_threads");
  const { writeSync } = require("node:fs");
  const since = new Map();
  setInterval(() => {
    for (let slot = 0; slot < numbers.length; slot++) {
      const number = Atomics.load(numbers, slot);
      const known = since.get(slot);
      if (number < 0) since.delete(slot);
      else if (known === undefined || known.number !== number) since.set(slot, { number, atMs: performance.now() });
      else if (performance.now() - known.atMs > limitMs) {
        writeSync(2, "an input hangs: " + what + " " + number + "\\n");
        process.kill(process.pid, "SIGKILL");
      }
    }
  }, 500);
`;
