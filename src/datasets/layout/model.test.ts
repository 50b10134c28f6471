import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InjectedFault, type Plan } from "../../../test/datasets/faults.ts";
import {
  commitOnce,
  type Instance,
  type OpenDatasets,
  oneColumn,
  openDatasets,
  readRows,
} from "../../../test/datasets/open.ts";
import { type DatasetId, datasetPath, MillraceError } from "../../base/index.ts";
import { fieldFromDuckdb, ownColumns, schemaWith } from "../../slices/index.ts";

let open: OpenDatasets;
beforeAll(async () => {
  open = await openDatasets();
});
afterAll(() => open[Symbol.asyncDispose]());

/** Small enough that a few commits make regions of three levels, and packs. */
const layout = { packBlocks: 4, checkpointBlocks: 3, regions: { first: 2, fan: 2 } };
const silent = () => {};

const works = ["compact", "supersede", "outdated", "collect", "expire", "upkeep"] as const;
type Work = (typeof works)[number];
const server = fc.constantFrom<0 | 1>(0, 1);
const rows = fc.integer({ min: 1, max: 4 });
const moment = fc.constantFrom<Plan["moment"]>("before", "after");
const work = fc.constantFrom(...works, ...works.slice(0, 4));
const quick = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("commit"), server, rows, count: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("widen"), server, rows }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("quarantine"), server, rows }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("stale"), server, rows }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("work"), server, work, keep: fc.nat(30) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("read"), server, point: fc.double({ min: 0, max: 0.999, noNaN: true }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart"), server }) },
);
const command = fc.oneof(
  { weight: 10, arbitrary: quick },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("crash"),
      server,
      work,
      at: fc.nat(80),
      moment,
      fault: fc.constantFrom<Plan["kind"]>("crash", "error"),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("freeze"),
      work: fc.oneof(work, fc.constant("commit" as const)),
      at: fc.nat(60),
      moment,
      meanwhile: fc.array(quick, { minLength: 1, maxLength: 5 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("race"), works: fc.tuple(work, work) }) },
);
type Quick = typeof quick extends fc.Arbitrary<infer One> ? One : never;
type Command = typeof command extends fc.Arbitrary<infer One> ? One : never;

/** A dataset on two servers, and what its rows must be. */
class World {
  readonly #id: DatasetId;
  readonly #servers: [Instance, Instance] = [open.instance({ layout }), open.instance({ layout })];
  /** By their offsets. */
  readonly #rows: string[] = [];
  /** How many rows there were behind a block. */
  readonly #versions = new Map<number, number>();
  #expired = 0;
  /** Of a commit that is frozen: it may be there already. */
  #pending: readonly string[] | null = null;
  #batches = 0;
  #schema = oneColumn;

  constructor(id: DatasetId) {
    this.#id = id;
  }

  async run(command: Command): Promise<void> {
    open.clock.jump(1);
    switch (command.kind) {
      case "crash":
        return await this.#crash(command);
      case "freeze":
        return await this.#freeze(command);
      case "race": {
        const [a, b] = command.works;
        await Promise.all([this.#tolerant(0, a), this.#tolerant(1, b)]);
        return await this.#readNow();
      }
      default:
        return await this.#quick(command, false);
    }
  }

  /** `raced`: while another server is frozen in the middle of something. */
  async #quick(command: Quick, raced: boolean): Promise<void> {
    const which = raced ? 1 : command.kind === "read" || "server" in command ? command.server : 0;
    const one = this.#servers[which];
    switch (command.kind) {
      case "commit":
        for (let n = 0; n < command.count; n++) await this.#commit(one, command.rows);
        return;
      case "widen": {
        const columns = [...ownColumns(this.#schema), fieldFromDuckdb(`c${this.#batches}`, "BIGINT")];
        this.#schema = schemaWith(columns);
        return await this.#commit(one, command.rows, { schema: this.#schema });
      }
      case "quarantine":
        return await this.#commit(one, command.rows, { quarantined: 1 });
      case "stale":
        return raced ? undefined : await this.#stale(one, command.rows);
      case "work":
        if (raced) await this.#tolerant(which, command.work, command.keep);
        else await this.#work(one, command.work, command.keep);
        return await this.#readNow(raced);
      case "read":
        return await this.#readPast(one, command.point);
      case "restart":
        this.#servers[which] = open.instance({ layout });
    }
  }

  async #commit(one: Instance, count: number, more: object = {}): Promise<void> {
    const batch = { ...this.#batch(count), ...more };
    for (let attempt = 1; ; attempt++) {
      const outcome = await commitOnce(open, one, this.#id, batch);
      if (outcome.outcome === "committed") return this.#committed(batch.values, outcome);
      if (attempt === 10) throw new Error("lost 10 times");
      open.clock.jump(1);
    }
  }

  /** A commit that is behind another one: it leaves what nothing names. */
  async #stale(one: Instance, count: number): Promise<void> {
    const other = this.#servers[one === this.#servers[0] ? 1 : 0];
    const head = await one.datasets.head(this.#id);
    const freeze = one.faults.freeze(12, "before");
    const losing = commitOnce(open, one, this.#id, this.#batch(count), head);
    await Promise.race([freeze.reached, losing]);
    await this.#commit(other, count);
    freeze.thaw();
    const outcome = await losing;
    if (outcome.outcome === "committed") throw new Error("two commits have one number");
  }

  #batch(count: number) {
    const position = ++this.#batches;
    return { source: "s", position, values: Array.from({ length: count }, (_, at) => `${position}.${at}`) };
  }

  #committed(values: readonly string[], outcome: { seq: number; firstOffset: number | null }): void {
    const first = outcome.firstOffset ?? 0;
    // A commit that was frozen may have been seen before it was told.
    const seen = this.#rows.slice(first, first + values.length).filter((row) => row !== undefined);
    for (const row of seen) expect(values).toContain(row);
    values.forEach((value, at) => {
      this.#rows[first + at] = value;
    });
    this.#versions.set(outcome.seq, first + values.length);
  }

  async #work({ datasets }: Instance, what: Work, keep = 10): Promise<void> {
    const { layouts } = datasets;
    const signal = new AbortController().signal;
    switch (what) {
      case "compact":
        return void (await layouts.compact(this.#id, signal, silent));
      case "supersede":
        return void (await layouts.supersede(this.#id, 0, signal, silent));
      case "outdated":
        return void (await layouts.deleteOutdated(this.#id, signal));
      case "collect":
        return void (await layouts.collect(this.#id, 0, signal, silent));
      case "upkeep":
        return void (await datasets.upkeep(this.#id, signal));
      case "expire": {
        const { nextOffset } = await datasets.head(this.#id);
        const rows = Math.floor((nextOffset * (20 + keep)) / 50);
        // Whatever becomes of it, no more than this expires.
        this.#expired = Math.max(this.#expired, nextOffset - rows);
        await layouts.expire(this.#id, { rows }, signal, silent);
      }
    }
  }

  /** What may be met by another's work beside it is an error that another try does not meet. */
  async #tolerant(which: 0 | 1, what: Work, keep?: number): Promise<void> {
    try {
      await this.#work(this.#servers[which], what, keep);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      const { code, message } = error;
      if (code !== "conflict" && !(code === "chain_broken" && message.includes("it is missing"))) throw error;
    }
  }

  async #crash({ server, work: what, at, moment, fault }: Command & { kind: "crash" }): Promise<void> {
    const one = this.#servers[server];
    one.faults.arm({ at, moment, kind: fault });
    try {
      await this.#work(one, what);
    } catch (error) {
      if (!(error instanceof InjectedFault)) throw error;
    }
    one.faults.arm(null);
    if (one.faults.isDead) this.#servers[server] = open.instance({ layout });
    await this.#readNow();
  }

  /** The first server stops in the middle of something, and goes on when the second one has done much else. */
  async #freeze({ work: what, at, moment, meanwhile }: Command & { kind: "freeze" }): Promise<void> {
    const [one] = this.#servers;
    const freeze = one.faults.freeze(at, moment);
    const batch = this.#batch(2);
    const frozen = what === "commit" ? this.#frozenCommit(one, batch) : this.#tolerant(0, what);
    const settled = frozen.catch(() => {}); // its error is told below
    await Promise.race([freeze.reached, settled]);
    if (what === "commit") this.#pending = batch.values;
    try {
      for (const command of meanwhile) {
        open.clock.jump(1);
        await this.#quick(command, true);
      }
    } finally {
      freeze.thaw();
      await settled;
    }
    await frozen;
    this.#pending = null;
    await this.#readNow();
  }

  async #frozenCommit(one: Instance, batch: { source: string; position: number; values: string[] }): Promise<void> {
    const outcome = await commitOnce(open, one, this.#id, batch);
    if (outcome.outcome === "committed") this.#committed(batch.values, outcome);
  }

  async #readNow(raced = false): Promise<void> {
    for (const one of raced ? [this.#servers[1]] : this.#servers) {
      const { nextOffset } = await one.datasets.head(this.#id);
      this.#check(await readRows(one, this.#id), nextOffset);
    }
  }

  async #readPast(one: Instance, point: number): Promise<void> {
    const versions = [...this.#versions];
    const [seq, count] = versions[Math.floor(point * versions.length)] ?? [];
    if (seq === undefined || count === undefined) return;
    try {
      this.#check(await readRows(one, this.#id, { kind: "version", seq }), count);
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== "data_expired" || count > this.#expired) throw error;
    }
  }

  /** The rows up to a number of them, except for what may have expired. */
  #check(found: readonly string[], count: number): void {
    const seen = found.indexOf(this.#pending?.[0] ?? "");
    this.#pending?.forEach((value, at) => {
      if (seen >= 0) this.#rows[count - found.length + seen + at] = value;
    });
    expect(found).toEqual(this.#rows.slice(count - found.length, count));
    expect(found.length).toBeGreaterThanOrEqual(count - this.#expired);
  }

  /** Without faults, all work ends, everything proves, and nothing is left over. */
  async settle(): Promise<void> {
    const one = open.instance({ layout });
    open.clock.jump(1);
    for (const what of ["compact", "upkeep", "supersede", "outdated", "collect", "outdated"] as const)
      await this.#work(one, what);
    const signal = new AbortController().signal;
    const report = await one.datasets.verify(this.#id, { level: "logical", signal });
    expect(report.broken).toBeNull();
    for (const [index] of [...this.#versions.keys()].entries())
      await this.#readPast(one, index / this.#versions.size + 1e-9);
    const { slices } = await one.datasets.snapshot(this.#id);
    const kept = new Set(slices.map((slice) => slice.key));
    const root = `datasets/${this.#id.slice("did:odf:".length)}/`;
    for await (const { key } of one.store.list(`${root}layout/data/`)) expect(kept).toContain(key);
    const newest = (await one.datasets.head(this.#id)).seq;
    let data = 0;
    for await (const _ of one.store.list(`${root}data/`)) data++;
    expect(data).toBeLessThanOrEqual(newest + 1 - report.superseded - report.expired);
  }
}

let worlds = 0;
test("every read of a snapshot gives exactly its rows, whatever is compacted, superseded, collected and expires beside it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 4, maxLength: 25 }), async (commands) => {
      const { id } = await open.instance({ layout }).datasets.create(datasetPath(`model.d${++worlds}`));
      const world = new World(id);
      for (const one of commands) await world.run(one);
      await world.settle();
      expect(open.errors).toEqual([]);
    }),
    {
      endOnFailure: process.env.MILLRACE_TEST_RUNS !== undefined,
      numRuns: Number(process.env.MILLRACE_TEST_RUNS ?? 60),
      ...(process.env.MILLRACE_TEST_SEED ? { seed: Number(process.env.MILLRACE_TEST_SEED) } : { seed: 20_261_121 }),
    },
  );
}, 600_000);
