import type { Disk, DiskFile } from "../../src/base/index.ts";
import type { Sql } from "../../src/storage/index.ts";

/** What an operation that was made to fail throws. */
export class InjectedFault extends Error {
  override readonly name = "InjectedFault";
}

export interface Plan {
  /** Which operation, from 0. */
  readonly at: number;
  /** Whether the operation has happened when it fails. */
  readonly moment: "before" | "after";
  /** `crash`: no later operation happens either. `error`: the others go well. */
  readonly kind: "crash" | "error";
}

export interface Freeze {
  /** Resolves where the operation has come. */
  readonly reached: Promise<void>;
  readonly thaw: () => void;
}

/** Counts the operations of an instance on disk and database, and makes one of them fail. */
export class Faults {
  #plan: Plan | null = null;
  #steps: string[] = [];
  #freeze: { at: number; moment: Plan["moment"]; reached: () => void; gate: Promise<void> } | null = null;
  /** Operations of this name never answer, and neither does who takes the news for "announce". */
  hanging: readonly string[] = [];
  #dead = false;
  #hit = false;

  /** Counts from 0 again. */
  arm(plan: Plan | null): void {
    this.#plan = plan;
    this.#steps = [];
    this.#hit = false;
  }

  /** Lets an operation, counted from 0 again, wait before or after it happens, until it is thawed: a process that was stopped. */
  freeze(at: number, moment: Plan["moment"]): Freeze {
    this.arm(null);
    const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const freeze = { at, moment, reached: reached.resolve, gate: gate.promise };
    this.#freeze = freeze;
    const thaw = () => {
      if (this.#freeze === freeze) this.#freeze = null; // it did not come so far
      gate.resolve();
    };
    return { reached: reached.promise, thaw };
  }

  /** Names of the operations since the last `arm`. */
  get steps(): readonly string[] {
    return this.#steps;
  }

  get isDead(): boolean {
    return this.#dead;
  }

  /** Whether the planned operation has come. */
  get hasHit(): boolean {
    return this.#hit;
  }

  async step<Result>(name: string, work: () => PromiseLike<Result>): Promise<Result> {
    if (this.#dead) throw new InjectedFault(`dead at ${name}`);
    if (this.hanging.includes(name)) return await new Promise<Result>(() => {});
    const at = this.#steps.push(name) - 1;
    const freeze = this.#freeze;
    if (freeze?.at === at) {
      this.#freeze = null;
      if (freeze.moment === "before") {
        freeze.reached();
        await freeze.gate;
        return await work();
      }
      const result = await work();
      freeze.reached();
      await freeze.gate;
      return result;
    }
    const plan = this.#plan;
    if (plan === null || plan.at !== at) return await work();
    this.#hit = true;
    const result = plan.moment === "after" ? await work() : undefined;
    if (plan.kind === "crash") this.#dead = true;
    throw new InjectedFault(`${plan.kind} ${plan.moment} ${name}${result === undefined ? "" : ", done"}`);
  }
}

/** A disk whose operations may fail. Syncs are left out: what crashes here is the process, not the machine. */
export function faultyDisk(disk: Disk, faults: Faults): Disk {
  return {
    async open(path, mode) {
      const opened: DiskFile[] = [];
      try {
        return await faults.step(`open ${mode}`, async () => {
          const file = await disk.open(path, mode);
          opened.push(file);
          return faultyFile(file, faults);
        });
      } catch (error) {
        for (const file of opened) await file[Symbol.asyncDispose]();
        throw error;
      }
    },
    readFile: (path) => faults.step("readFile", () => disk.readFile(path)),
    rename: (from, to) => faults.step("rename", () => disk.rename(from, to)),
    link: (existing, to) => faults.step("link", () => disk.link(existing, to)),
    remove: (path) => faults.step("remove", () => disk.remove(path)),
    makeDirectory: (path) => faults.step("makeDirectory", () => disk.makeDirectory(path)),
    list: (path) => faults.step("list", () => disk.list(path)),
    stat: (path) => faults.step("stat", () => disk.stat(path)),
    syncDirectory: () => faults.step("syncDirectory", async () => {}),
  };
}

function faultyFile(file: DiskFile, faults: Faults): DiskFile {
  return {
    write: (bytes, position) => faults.step("write", () => file.write(bytes, position)),
    read: (position, length) => faults.step("read", () => file.read(position, length)),
    truncate: (sizeBytes) => faults.step("truncate", () => file.truncate(sizeBytes)),
    sync: () => faults.step("sync", async () => {}),
    sizeBytes: () => faults.step("sizeBytes", () => file.sizeBytes()),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

/** A database whose statements may fail. */
export function faultySql(sql: Sql, faults: Faults): Sql {
  return new Proxy(sql, {
    apply(target, self, args: unknown[]) {
      const isStatement = Array.isArray(args[0]) && "raw" in args[0];
      const call = () => Reflect.apply(target, self, args);
      return isStatement ? faults.step("sql", call) : call();
    },
  });
}
