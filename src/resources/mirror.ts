import { Buffer } from "node:buffer";
import { type Clock, delay, type Logger, MillraceError } from "../base/index.ts";
import type { ObjectStore, Sql } from "../storage/index.ts";
import { saveProgress, selectChange, selectChanges, selectProgress } from "./sql/mirror.ts";

export const mirrorPrefix = "definitions/log/";
/** Twelve digits: keys sort as positions do. */
export const mirrorKey = (position: number) => `${mirrorPrefix}${String(position).padStart(12, "0")}.json`;
export const mirrorPosition = (key: string) => Number(/(\d{12})\.json$/.exec(key)?.[1] ?? Number.NaN);

const batch = 100;
const mostBackoffMs = 5_000;

interface Waiter {
  readonly position: number;
  end(how: "mirrored" | MillraceError): void;
}

export interface MirrorOptions {
  readonly sql: Sql;
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long a change waits for its copy. */
  readonly waitMs: number;
  /** How often changes are looked for that nobody has asked for. */
  readonly lookEveryMs: number;
}

/**
 * Copies accepted changes into the object store, in the order of their events.
 *
 *     idle ──a change waits──▶ copying ──nothing waits──▶ idle
 *                               │    ▲
 *                        fails  ▼    │ after a pause that doubles
 *                              retrying
 *
 * - A change is in `resource_changes` from its own commit until its object is durable: a crash between the two loses
 *   nothing, the next pass writes it.
 * - An object is written under its position if absent. One that exists must hold the same text (a pass before a crash, or
 *   another server, wrote it); another text means that two databases write to one store, and stops the mirror.
 * - A change may be committed though its server was told that the transaction failed, or ended before it could ask for the
 *   copy: so it is also looked for every minute.
 * - Objects appear in the order of positions: whoever finds n finds all before it.
 */
export class Mirror {
  readonly #options: MirrorOptions;
  readonly #stopping = new AbortController();
  #waiting: Waiter[] = [];
  #pass: Promise<void> | null = null;
  #looking: Promise<void> | null = null;
  #failure: unknown = null;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /**
   * Copies what a crash left, and makes sure that the store holds nothing that this database does not know.
   * @throws conflict, unavailable
   */
  async start(): Promise<void> {
    await this.#checkLineage();
    await this.upTo(Number.MAX_SAFE_INTEGER);
    this.#looking = this.#look();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new MillraceError("shutting_down", "The server stops."));
    await this.#looking;
    await this.#pass;
  }

  async #look(): Promise<void> {
    const { clock, lookEveryMs } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await delay(clock, lookEveryMs, signal).catch(() => {});
      if (!signal.aborted) this.#pass ??= this.#run();
    }
  }

  /** Resolves when no committed change up to a position lacks its object. @throws unavailable after a bounded wait, conflict */
  async upTo(position: number): Promise<void> {
    const { clock, waitMs } = this.#options;
    const { promise, resolve } = Promise.withResolvers<"mirrored" | "late" | MillraceError>();
    const waiter = { position, end: resolve };
    const onStop = () => resolve("late");
    const forget = clock.timer(this.#stopping.signal.aborted ? 0 : waitMs, onStop);
    this.#stopping.signal.addEventListener("abort", onStop, { once: true });
    this.#waiting.push(waiter);
    this.#pass ??= this.#run();
    const end = await promise;
    forget();
    this.#stopping.signal.removeEventListener("abort", onStop);
    this.#waiting = this.#waiting.filter((one) => one !== waiter);
    if (end === "mirrored") return;
    if (end !== "late") throw end;
    throw new MillraceError("unavailable", "The change is made, but the object store did not take its copy yet.", {
      hint: "The copy follows by itself when the store is back. Sending the same again waits for it.",
      cause: this.#failure,
    });
  }

  /** Passes until nobody waits and nothing is left. Never rejects. */
  async #run(): Promise<void> {
    const { clock, log } = this.#options;
    const { signal } = this.#stopping;
    let failures = 0;
    for (;;) {
      try {
        const waiting = [...this.#waiting];
        const left = await this.#copyBatch();
        failures = 0;
        this.#failure = null;
        // What waited when an empty pass began had been committed before: it is copied, by us or by another server.
        if (!left) for (const waiter of waiting) this.#end(waiter, "mirrored");
        if (!left && this.#waiting.length === 0) break;
      } catch (error) {
        if (failures === 0) log.warn("a change of definitions could not be mirrored; it is tried again", { error });
        this.#failure = error;
        if (error instanceof MillraceError && error.code === "conflict") {
          for (const waiter of this.#waiting) this.#end(waiter, error); // waiting does not help
        }
        await delay(clock, Math.min(mostBackoffMs, 50 * 2 ** failures), signal).catch(() => {});
        failures++;
      }
      if (signal.aborted) break;
    }
    this.#pass = null;
  }

  #end(waiter: Waiter, end: "mirrored" | MillraceError): void {
    this.#waiting = this.#waiting.filter((one) => one !== waiter);
    waiter.end(end);
  }

  /** @returns whether more is left */
  async #copyBatch(): Promise<boolean> {
    const { sql } = this.#options;
    const rows = await selectChanges(sql, batch);
    for (const { position, body } of rows) {
      await this.#write(Number(position), body);
      if (this.#stopping.signal.aborted) break;
      for (const waiter of this.#waiting) if (waiter.position <= Number(position)) this.#end(waiter, "mirrored");
    }
    const last = rows.at(-1);
    if (last !== undefined && !this.#stopping.signal.aborted) await saveProgress(sql, Number(last.position));
    return rows.length === batch;
  }

  async #write(position: number, body: string): Promise<void> {
    const { store } = this.#options;
    const bytes = Buffer.from(body);
    if ((await store.putIfAbsent(mirrorKey(position), bytes)) === "created") return;
    const there = await store.get(mirrorKey(position));
    if (there === null || !bytes.equals(there)) throw foreign();
  }

  /**
   * Every object behind our progress must be one that we were about to write. Otherwise this database is empty or older
   * than the mirror, and would write another history over it.
   */
  async #checkLineage(): Promise<void> {
    const { sql, store } = this.#options;
    const progress = await this.#progress();
    for await (const { key } of store.list(mirrorPrefix, { after: mirrorKey(progress), limit: 1 })) {
      const position = mirrorPosition(key);
      const [known] = await selectChange(sql, position);
      // Let go since we looked: another server has copied it.
      if (known === undefined && (await this.#progress()) < position) throw foreign();
    }
  }

  async #progress(): Promise<number> {
    return Number((await selectProgress(this.#options.sql))[0]?.position ?? 0);
  }
}

function foreign(): MillraceError {
  return new MillraceError("conflict", "The object store holds definitions that the database does not know.", {
    hint: "Was the database lost or put back? `millrace restore-definitions` rebuilds it from the object store. Two databases cannot share one store.",
  });
}
