import { setTimeout as pause } from "node:timers/promises";
import type { DatasetId } from "../../src/base/index.ts";
import { datasetId } from "../../src/datasets/index.ts";
import type { ObjectStore, Sql } from "../../src/storage/index.ts";
import type { Transforms } from "../../src/streams/index.ts";
import { type Between, openProcess, orderOf } from "./process.ts";

/**
 * Keeps transforms until each has made so many changes of the store and the database, and one more is about to be made of some: then it
 * kills itself, as `kill -9` would. It ends well when none has as much to do. ORDER CHANGES
 */
const [text, changes] = process.argv.slice(2);
const order = orderOf(text);

/** Lets each transform make so many changes; the next one waits for ever. */
class Barrier implements Between {
  readonly #limit: number;
  /** By the key of its dataset's id, which stands in the names of its objects and beside its statements. */
  readonly #made = new Map<string, number>();
  readonly #waiting = new Set<string>();
  #underWay = 0;

  constructor(ids: readonly string[], limit: number) {
    this.#limit = limit;
    for (const id of ids) this.#made.set(keyOf(id), 0);
  }

  isWaiting(id: string): boolean {
    return this.#underWay === 0 && this.#waiting.has(keyOf(id));
  }

  store(of: ObjectStore): ObjectStore {
    return new Proxy(of, {
      get: (target, member) => {
        const value: unknown = Reflect.get(target, member, target);
        if (typeof value !== "function") return value;
        const call = (...given: unknown[]) => Reflect.apply(value, target, given);
        return changing.has(String(member))
          ? (...given: unknown[]) => this.#pass(given[0], () => call(...given))
          : call;
      },
    });
  }

  sql(of: Sql): Sql {
    return new Proxy(of, {
      apply: (target, self, given: unknown[]) => {
        const call = () => Reflect.apply(target, self, given);
        const [template, ...values] = given;
        const writes = Array.isArray(template) && "raw" in template && /INSERT|UPDATE|DELETE/.test(template.join(""));
        return writes ? this.#pass(values, call) : call();
      },
      get: (target, member) => {
        const value: unknown = Reflect.get(target, member, target);
        if (member !== "begin" || typeof value !== "function") return value;
        return (work: (transaction: Sql) => Promise<unknown>) =>
          Reflect.apply(value, target, [(transaction: Sql) => work(this.sql(transaction))]);
      },
    });
  }

  async #pass(of: unknown, change: () => unknown): Promise<unknown> {
    const said = JSON.stringify(of);
    const key = [...this.#made.keys()].find((one) => said.includes(one));
    if (key === undefined) return await change();
    const made = (this.#made.get(key) ?? 0) + 1;
    if (made > this.#limit) {
      this.#waiting.add(key);
      return await new Promise(() => {});
    }
    this.#made.set(key, made);
    this.#underWay++;
    try {
      return await change();
    } finally {
      this.#underWay--;
    }
  }
}

const changing = new Set(["put", "putIfAbsent", "adopt", "delete"]);
const keyOf = (id: string) => id.slice(id.lastIndexOf(":") + 1);

process.on("disconnect", () => process.exit(1));
const barrier = new Barrier(
  order.transforms.map(({ id }) => id),
  Number(changes),
);
const transforms = await openProcess(order, barrier);
const started = transforms.start();
const ids: readonly DatasetId[] = order.transforms.map(({ id }) => datasetId(id));
for (;;) {
  await Promise.race([started, pause(5)]);
  const left = ids.filter((id) => !isDone(transforms, id));
  if (left.length === 0) process.exit(0);
  if (left.every((id) => barrier.isWaiting(id))) process.kill(process.pid, "SIGKILL");
  const failing = left.map((id) => transforms.state(id)).find((state) => state?.state === "failing");
  if (failing !== undefined && failing !== null) throw new Error(JSON.stringify(failing.error));
  await pause(5);
}

function isDone(of: Transforms, id: DatasetId): boolean {
  return of.state(id)?.state === "idle";
}
