import { type Clock, datasetName, MillraceError, projectName } from "../../base/index.ts";
import type { LookupRows, Principal } from "../http/index.ts";
import type { OrderedLookup, OrderedLookups, RedisAccess } from "./contract.ts";

/** A decision is asked for again after this, and at once when identity says that something has changed. */
const decidedMs = 1_000;
const colon = 58;
const longestPath = 127;
const mostKnown = 1_000;

/** A lookup that a connection has asked for, or what to say instead. */
export type Readable = { readonly rows: LookupRows } | { readonly error: string };

interface Known {
  readonly path: string;
  lookup: OrderedLookup | null;
  isAllowed: boolean;
  version: number;
  decidedMs: number;
  /** The turn in which it was looked at last. */
  turn: number;
}

/**
 * What one connection may read. A decision holds for a second at most, and only as long as identity knows of no change; the lookup
 * itself is looked up in each turn, as it may be gone or declared anew.
 */
export class ReadableLookups {
  readonly #access: RedisAccess;
  readonly #lookups: OrderedLookups;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  #principal: Principal | null = null;
  #last: { readonly bytes: Buffer; readonly known: Known } | null = null;
  #turn = 0;

  constructor({ access, lookups, clock }: { access: RedisAccess; lookups: OrderedLookups; clock: Clock }) {
    this.#access = access;
    this.#lookups = lookups;
    this.#clock = clock;
  }

  get principal(): Principal | null {
    return this.#principal;
  }

  set principal(principal: Principal) {
    this.#principal = principal;
    this.#known.clear();
    this.#last = null;
  }

  /** Bytes have come in: what was looked at before is looked at again. */
  nextTurn(): void {
    this.#turn++;
  }

  /** Where the lookup's name ends in `project.lookup:key`: at the first colon; -1 where there is none. */
  nameEnd(bytes: Buffer, start: number, end: number): number {
    const last = Math.min(end, start + longestPath + 1);
    for (let at = start; at < last; at++) if (bytes[at] === colon) return at;
    return -1;
  }

  /** null: it has to be asked first, with `ask`. */
  of(bytes: Buffer, start: number, nameEnd: number): Readable | null {
    const known = this.#knownAt(bytes, start, nameEnd);
    if (known === undefined || !this.#isCurrent(known)) return null;
    return readable(known);
  }

  async ask(bytes: Buffer, start: number, nameEnd: number): Promise<void> {
    await this.#ask(bytes.toString("latin1", start, nameEnd));
  }

  /** Those that may be read and are loaded, from an ordinal on. */
  async *all(from = 0): AsyncIterable<{ readonly ordinal: number; readonly path: string; readonly rows: LookupRows }> {
    for (const lookup of this.#lookups.list()) {
      const path = `${lookup.project}.${lookup.name}`;
      if (lookup.ordinal < from || lookup.rows === null || !(await this.#allows(lookup))) continue;
      if (lookup.rows !== null) yield { ordinal: lookup.ordinal, path, rows: lookup.rows };
    }
  }

  #knownAt(bytes: Buffer, start: number, nameEnd: number): Known | undefined {
    const last = this.#last;
    if (last !== null && isSame(last.bytes, bytes, start, nameEnd)) return last.known;
    const known = this.#known.get(bytes.toString("latin1", start, nameEnd));
    if (known !== undefined) this.#last = { bytes: Buffer.from(bytes.subarray(start, nameEnd)), known };
    return known;
  }

  #isCurrent(known: Known): boolean {
    if (known.turn === this.#turn) return true;
    const isDecided =
      known.lookup !== null &&
      known.version === this.#access.version &&
      this.#clock.monotonicMs() - known.decidedMs < decidedMs;
    if (!isDecided || this.#find(known.path) !== known.lookup) return false;
    known.turn = this.#turn;
    return true;
  }

  async #ask(path: string): Promise<void> {
    const lookup = this.#find(path);
    const { version } = this.#access; // before the question: a change meanwhile asks again
    const isAllowed = lookup !== null && (await this.#allows(lookup));
    if (this.#known.size >= mostKnown) this.#known.clear();
    const now = this.#clock.monotonicMs();
    this.#known.set(path, { path, lookup, isAllowed, version, decidedMs: now, turn: this.#turn });
    this.#last = null;
  }

  #find(path: string): OrderedLookup | null {
    const [project = "", name = "", ...rest] = path.split(".");
    return rest.length > 0 ? null : this.#lookups.find(project, name);
  }

  async #allows({ dataset }: OrderedLookup): Promise<boolean> {
    const principal = this.#principal;
    return principal !== null && (await this.#access.allows(principal, "dataset.select", { dataset }));
  }
}

/** Who may not read it is told that it is not there. */
function readable({ path, lookup, isAllowed }: Known): Readable {
  if (lookup === null || !isAllowed) return { error: `ERR there is no lookup ${shown(path)} that you may read` };
  if (lookup.rows !== null) return { rows: lookup.rows };
  const { problem } = lookup.state;
  return {
    error:
      problem === null
        ? `LOADING the lookup ${path} is being loaded`
        : `LOADING the lookup ${path} cannot be loaded: ${problem.message}`,
  };
}

/** A name, or nothing of what is none. */
function shown(path: string): string {
  try {
    const [project = "", name = ""] = path.split(".");
    return `${projectName(project)}.${datasetName(name)}`;
  } catch (error) {
    if (error instanceof MillraceError) return "of this name";
    throw error;
  }
}

function isSame(known: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let at = 0; at < known.length; at++) if (known[at] !== bytes[start + at]) return false;
  return true;
}
