import { createHook } from "node:async_hooks";
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

/** What of the machine's own was touched in a simulated world. */
export class RealityLeaked extends Error {}

/**
 * Resources that are a matter of the language, not of the machine. Compression too is told where it is done at once; where it
 * would be waited for, nobody ever hears of its end.
 */
const harmless = new Set(["PROMISE", "TickObject", "Microtask", "ZLIB"]);

/**
 * While it is held, nothing real happens unnoticed: the machine's timers, files, sockets and threads are told by Node
 * itself, its clock and chance by what stands in their place. `check` throws the first of them.
 */
export class RealityGuard implements Disposable {
  #leak: RealityLeaked | null = null;
  readonly #restore: (() => void)[] = [];

  constructor() {
    const told = (what: string) => {
      this.#leak ??= new RealityLeaked(`something real was used in the simulated world: ${what}`);
    };
    const hook = createHook({
      init(_id, type) {
        if (!harmless.has(type)) told(type);
      },
      trackPromises: false,
    });
    hook.enable();
    this.#restore.push(() => hook.disable());
    const replace = (owner: object, name: string, label: string) => {
      const real: unknown = Reflect.get(owner, name);
      if (typeof real !== "function") return;
      const watching = (...given: unknown[]): unknown => {
        told(label);
        return Reflect.apply(real, owner, given);
      };
      Reflect.set(owner, name, watching);
      this.#restore.push(() => Reflect.set(owner, name, real));
    };
    replace(Date, "now", "Date.now");
    replace(Math, "random", "Math.random");
    replace(performance, "now", "performance.now");
    for (const name of ["randomUUID", "randomBytes", "randomFillSync", "randomInt"])
      replace(crypto, name, `crypto.${name}`);
    syncBuiltinESMExports();
  }

  /** @throws RealityLeaked */
  check(): void {
    if (this.#leak !== null) throw this.#leak;
  }

  [Symbol.dispose](): void {
    for (const restore of this.#restore.reverse()) restore();
    syncBuiltinESMExports();
  }
}
