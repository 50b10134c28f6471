import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Plan } from "../../test/datasets/faults.ts";
import {
  type Batch,
  commitBatch,
  commitOnce,
  type Instance,
  type OpenDatasets,
  oneColumn,
  openDatasets,
  readRows,
} from "../../test/datasets/open.ts";
import { type DatasetId, datasetPath, type Instant } from "../base/index.ts";
import { type DataSchema, fieldFromDuckdb, multihash, ownColumns, schemaWith, sha3Multihash } from "../slices/index.ts";
import type { LayoutSizes } from "./index.ts";

const never = new AbortController().signal;
let made = 0;
let open: OpenDatasets;
beforeAll(async () => {
  open = await openDatasets();
});
afterAll(() => open[Symbol.asyncDispose]());

/** One of two servers on the same store; a crash replaces it. */
const server = fc.constantFrom<0 | 1>(0, 1);
const rows = fc.integer({ min: 1, max: 4 });
const plan: fc.Arbitrary<Plan> = fc.record({
  at: fc.nat(70),
  moment: fc.constantFrom("before", "after"),
  kind: fc.constantFrom("crash", "error"),
});
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("commit"), server, rows }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("fail"), server, rows, plan }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("widen"), server, rows }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("quarantine"), server, rows: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("stale"), server, rows }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("race"), rows }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("forget index"), keep: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("damage index"), at: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reindex"), server }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("upkeep"), server }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("run ahead"), server, commits: fc.integer({ min: 1, max: 12 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("upkeep fails"), server, plan }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("damage layout"),
      what: fc.constantFrom("hint", "newest checkpoint", "all checkpoints"),
      how: fc.constantFrom("remove", "cut", "flip", "older"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("bogus entry"), seq: fc.nat(30) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("wrong hint"), text: fc.constantFrom("", "nonsense", "absent") }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart"), server }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clock"), ms: fc.integer({ min: -5_000, max: 5_000 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("look back"),
      server,
      point: fc.double({ min: 0, max: 0.999, noNaN: true }),
    }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer One> ? One : never;

/** What a dataset is, said simply. */
interface Version {
  readonly seq: number;
  readonly block: string;
  readonly at: Instant;
  readonly rows: number;
  readonly columns: number;
}

class World {
  readonly values: string[] = [];
  readonly versions: Version[] = [];
  quarantined = 0;
  schema: DataSchema = oneColumn;
  readonly #id: DatasetId;
  readonly #layout: LayoutSizes;
  readonly #servers: [Instance, Instance];
  #quarantines = 0;
  #batches = 0;

  constructor(id: DatasetId, layout: LayoutSizes) {
    this.#id = id;
    this.#layout = layout;
    this.#servers = [this.#fresh(), this.#fresh()];
  }

  async run(one: Command): Promise<void> {
    open.clock.jump(1);
    switch (one.kind) {
      case "commit":
        return await this.#commit(one.server, this.#batch(one.rows));
      case "fail":
        return await this.#fail(one.server, this.#batch(one.rows), one.plan);
      case "widen": {
        const own = ownColumns(this.schema);
        this.schema = schemaWith([...own, fieldFromDuckdb(`more${own.length}`, "BIGINT")]);
        return await this.#commit(one.server, { ...this.#batch(one.rows), schema: this.schema });
      }
      case "quarantine":
        return await this.#commit(one.server, { ...this.#batch(one.rows), quarantined: 3 });
      case "stale":
        return await this.#stale(one.server, one.rows);
      case "race":
        return await this.#race(one.rows);
      case "forget index":
        // PostgreSQL restored from an old backup: the chain goes on behind what it knows.
        await open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${this.#id} AND seq >= ${one.keep}`;
        await open.database.sql`DELETE FROM chain_checkpoints WHERE dataset_id = ${this.#id} AND seq >= ${one.keep}`;
        return this.#restart(0);
      case "damage index":
        await open.database.sql`
          UPDATE chain_blocks SET bytes = '\\x00' WHERE dataset_id = ${this.#id} AND seq = ${one.at}`;
        await open.database.sql`
          UPDATE chain_checkpoints SET bytes = '\\x00' WHERE dataset_id = ${this.#id} AND seq % 5 = ${one.at % 5}`;
        return this.#restart(1);
      case "reindex":
        await this.#servers[one.server].datasets.reindex();
        return;
      case "run ahead":
        return await this.#runAhead(one.server, one.commits);
      case "upkeep":
        await this.#servers[one.server].datasets.upkeep(this.#id, never);
        return;
      case "upkeep fails": {
        const server = this.#servers[one.server];
        server.faults.arm(one.plan);
        await server.datasets.upkeep(this.#id, never).catch(() => null);
        server.faults.arm(null);
        return server.faults.isDead ? this.#restart(one.server) : undefined;
      }
      case "damage layout":
        return await this.#damageLayout(one.what, one.how);
      case "bogus entry":
        return await this.#bogusEntry(one.seq);
      case "wrong hint":
        return await this.#hint(one.text);
      case "restart":
        return this.#restart(one.server);
      case "clock":
        return open.clock.jump(one.ms);
      case "look back":
        return await this.#lookBack(this.#servers[one.server], one.point);
    }
  }

  /** Every server, and one that knows nothing, sees what the model says. */
  async check(): Promise<void> {
    for (const one of [...this.#servers, this.#fresh()]) {
      expect(await readRows(one, this.#id)).toEqual(this.values);
      const head = await one.datasets.head(this.#id);
      expect(head).toMatchObject({ rows: this.values.length, quarantined: this.quarantined });
      if (head.schema !== null) expect(head.schema).toEqual(this.schema);
      const quarantines = await one.datasets.quarantines(this.#id, head.seq);
      expect(quarantines.map(({ rows }) => rows)).toEqual(Array.from({ length: this.#quarantines }, () => 3));
    }
    await this.#noteVersions();
  }

  async verify(): Promise<void> {
    const options = { level: "logical", signal: new AbortController().signal } as const;
    const report = await this.#fresh().datasets.verify(this.#id, options);
    expect(report).toMatchObject({ ok: true, rows: this.values.length, blocks: this.versions.length });
  }

  #batch(count: number): Batch {
    const position = ++this.#batches;
    return { source: "log", position, values: Array.from({ length: count }, (_, i) => `value ${position}.${i}`) };
  }

  #fresh(): Instance {
    return open.instance({ layout: this.#layout });
  }

  #restart(which: 0 | 1): void {
    this.#servers[which] = this.#fresh();
  }

  #took({ values, quarantined = 0 }: Batch): void {
    this.values.push(...values);
    this.quarantined += quarantined;
    if (quarantined > 0) this.#quarantines++;
  }

  async #commit(which: 0 | 1, batch: Batch): Promise<void> {
    await commitBatch(open, this.#servers[which], this.#id, batch);
    this.#took(batch);
  }

  /** Fails somewhere; what was acknowledged is there, what was not is there whole or not at all; then it is tried again. */
  async #fail(which: 0 | 1, batch: Batch, at: Plan): Promise<void> {
    const one = this.#servers[which];
    one.faults.arm(at);
    const outcome = await commitOnce(open, one, this.#id, batch).catch(() => null);
    const acknowledged = outcome?.outcome === "committed" && !one.faults.isDead;
    one.faults.arm(null);
    if (one.faults.isDead) this.#restart(which);
    const found = await readRows(this.#fresh(), this.#id);
    const isThere = found.length > this.values.length;
    expect(found).toEqual(isThere ? [...this.values, ...batch.values] : this.values);
    if (acknowledged) expect(isThere).toBe(true);
    await this.#commit(which, batch);
  }

  /** Another server commits between looking and writing: the offsets are taken. */
  async #stale(which: 0 | 1, count: number): Promise<void> {
    const slow = this.#servers[which];
    const head = await slow.datasets.head(this.#id);
    await this.#commit(which === 0 ? 1 : 0, this.#batch(count));
    const late = this.#batch(count);
    expect((await commitOnce(open, slow, this.#id, late, head)).outcome).toBe("lost");
    await this.#commit(which, late);
  }

  /** The other server slept while this one committed, packed and deleted. */
  async #runAhead(which: 0 | 1, commits: number): Promise<void> {
    const slept = this.#servers[which === 0 ? 1 : 0];
    const head = await slept.datasets.head(this.#id);
    for (let count = 0; count < commits; count++) await this.#commit(which, this.#batch(1));
    await this.#servers[which].datasets.upkeep(this.#id, never);
    expect((await slept.datasets.head(this.#id)).rows).toBe(this.values.length);
    expect((await commitOnce(open, slept, this.#id, this.#batch(1), head)).outcome).toBe("lost");
  }

  async #race(count: number): Promise<void> {
    const batches = [0, 1].map((index) => ({ ...this.#batch(count), source: `racer ${index}` }));
    const [a, b] = batches;
    if (a === undefined || b === undefined) return;
    const [seqA, seqB] = await Promise.all([
      commitBatch(open, this.#servers[0], this.#id, a),
      commitBatch(open, this.#servers[1], this.#id, b),
    ]);
    for (const batch of seqA < seqB ? [a, b] : [b, a]) this.#took(batch);
  }

  async #hint(text: string): Promise<void> {
    const file = path.join(open.root, "datasets", this.#id.slice("did:odf:".length), "refs", "head");
    const older = this.versions[0]?.block ?? "";
    if (text === "absent") await rm(file, { force: true });
    else await writeFile(file, text === "" ? older : text);
    this.#restart(0);
  }

  /** What is derived may be missing, damaged, or older than all else. */
  async #damageLayout(what: "hint" | "newest checkpoint" | "all checkpoints", how: string): Promise<void> {
    const layout = path.join(open.root, "datasets", this.#id.slice("did:odf:".length), "layout");
    const names = await readdir(path.join(layout, "checkpoints")).catch(() => []);
    const files = names.toSorted().map((name) => path.join("checkpoints", name));
    const hurt = what === "hint" ? ["hint"] : what === "newest checkpoint" ? files.slice(-1) : files;
    for (const name of hurt) await damage(path.join(layout, name), how, files[0] ?? "hint");
    await open.database.sql`DELETE FROM chain_checkpoints WHERE dataset_id = ${this.#id}`;
    await open.database.sql`DELETE FROM chain_blocks WHERE dataset_id = ${this.#id}`;
    this.#restart(0);
  }

  /** What a writer leaves that was frozen, and ended before it looked whether it had won. */
  async #bogusEntry(seq: number): Promise<void> {
    const root = `datasets/${this.#id.slice("did:odf:".length)}`;
    const { store } = this.#fresh();
    const region = Math.floor(seq / this.#layout.packBlocks);
    if ((await store.stat(`${root}/packs/${String(region).padStart(12, "0")}`)) === null) return;
    const bogus = sha3Multihash(Buffer.from(`bogus ${seq}`));
    await store.putIfAbsent(`${root}/log/${String(seq).padStart(12, "0")}`, Buffer.from(bogus));
    await store.put(`${root}/blocks/${bogus}`, Buffer.from(`bogus ${seq}`));
  }

  async #noteVersions(): Promise<void> {
    const { datasets } = this.#fresh();
    const from = this.versions.length;
    for await (const { seq, hash, block } of datasets.blocks(this.#id, { from, to: 1e9, newestFirst: false })) {
      const before = this.versions.at(-1);
      const { event } = block;
      const added = event.kind === "AddData" ? event.newData?.offsetInterval : undefined;
      expect(seq).toBe(this.versions.length);
      if (added !== undefined) expect(added.start).toBe(before?.rows ?? 0);
      this.versions.push({
        seq,
        block: hash,
        at: block.systemTime,
        rows: added === undefined ? (before?.rows ?? 0) : added.end + 1,
        columns: event.kind === "SetDataSchema" ? event.schema.fields.length : (before?.columns ?? 0),
      });
    }
  }

  /** By number, hash, time and offset the same prefix. */
  async #lookBack(one: Instance, point: number): Promise<void> {
    const version = this.versions[Math.floor(point * this.versions.length)];
    if (version === undefined) return;
    const expected = this.values.slice(0, version.rows);
    const ofTime = this.versions.findLast((other) => other.at <= version.at) ?? version;
    for (const asOf of [
      { kind: "version", seq: version.seq },
      { kind: "block", hash: version.block },
    ] as const) {
      const snapshot = await one.datasets.snapshot(this.#id, asOf);
      expect(snapshot).toMatchObject({ seq: version.seq, block: version.block, rows: version.rows });
      expect(snapshot.schema?.fields.length ?? 0).toBe(version.columns);
      expect(await readRows(one, this.#id, asOf)).toEqual(expected);
    }
    expect(await one.datasets.snapshot(this.#id, { kind: "time", at: version.at })).toMatchObject({ seq: ofTime.seq });
    const block = await one.datasets.block(this.#id, version.seq);
    expect(block).toMatchObject({ seq: version.seq, hash: version.block });
    expect(await one.datasets.blockByHash(this.#id, multihash(version.block))).toEqual(block);
    expect(await one.datasets.blockByHash(this.#id, sha3Multihash(Buffer.from("bogus 3")))).toBeNull();
    if (version.rows === 0) return;
    const offset = Math.floor(point * version.rows);
    const holder = this.versions.find((other) => other.rows > offset);
    expect(await one.datasets.snapshot(this.#id, { kind: "offset", offset })).toMatchObject({ seq: holder?.seq });
  }
}

async function damage(file: string, how: string, older: string): Promise<void> {
  const bytes = await readFile(file).catch(() => null);
  if (bytes === null) return;
  switch (how) {
    case "remove":
      return await rm(file);
    case "cut":
      return await writeFile(file, bytes.subarray(0, bytes.length - 3));
    case "flip":
      bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
      return await writeFile(file, bytes);
    case "older": {
      const beside = path.join(path.dirname(file), path.basename(older));
      return await writeFile(file, (await readFile(beside).catch(() => null)) ?? bytes);
    }
  }
}

test.each([
  { layout: { packBlocks: 4, checkpointBlocks: 2 }, numRuns: 40 },
  { layout: { packBlocks: 1_024, checkpointBlocks: 64 }, numRuns: 15 },
])(
  "whatever happens, a dataset is what a list would be: $layout",
  async ({ layout, numRuns }) => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 25 }), async (commands) => {
        const { id } = await open.instance().datasets.create(datasetPath(`model.set${++made}`));
        const world = new World(id, layout);
        await world.check();
        for (const one of commands) {
          await world.run(one);
          await world.check();
        }
        await world.verify();
        await open.database.sql`DELETE FROM datasets WHERE id = ${id}`;
        await rm(path.join(open.root, "datasets", id.slice("did:odf:".length)), { recursive: true });
      }),
      { numRuns, endOnFailure: true },
    );
    expect(open.errors).toEqual([]);
  },
  180_000,
);
