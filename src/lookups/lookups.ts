import { createHash } from "node:crypto";
import { z } from "zod";
import { delay, formatDatasetPath, Semaphore, type Service } from "../base/index.ts";
import { lookupDataset, lookupKind } from "../resources/index.ts";
import type { Lookup, LookupState, LookupsOptions } from "./contract.ts";
import { LookupCopy } from "./copy.ts";
import { EntryReader } from "./feed/reader.ts";
import type { Seed } from "./store/hash.ts";

const types = ["dataset.committed", "resource.applied", "resource.deleted"] as const;
const commitData = z.object({ rows: z.int() });
const changeData = z.object({ kind: z.string(), project: z.string(), name: z.string() });
/** Copies that load or read on at once. */
const readingAtOnce = 2;
const tellMs = 1_000;
const recordMs = 10_000;

interface Kept {
  readonly resourceId: string;
  readonly generation: number;
  readonly copy: LookupCopy;
  recordedMs: number;
  recordedState: string;
}

/**
 * The lookups that this process holds: all that are declared. What it holds is made equal to what is declared, at the start and with
 * each change that the bus tells of; a commit wakes the copies of its dataset, and nothing else looks at them.
 */
export class Lookups implements Service {
  readonly name = "lookups";
  readonly #options: LookupsOptions;
  readonly #reader: EntryReader;
  readonly #turns = new Semaphore(readingAtOnce);
  readonly #kept = new Map<string, Kept>();
  readonly #stopping = new AbortController();
  #ordinal = 0;
  #turn: Promise<void> = Promise.resolve();
  #following: Promise<void> = Promise.resolve();
  #forgetTimer: (() => void) | null = null;
  #unwatch: () => void = () => {};

  constructor(options: LookupsOptions) {
    this.#options = options;
    this.#reader = new EntryReader(options);
  }

  async start(): Promise<void> {
    const { resources, bus } = this.#options;
    const position = await bus.newest(); // before the look: what changes meanwhile is told
    for await (const { project, name } of resources.all(lookupKind)) await this.#refresh(project ?? "", name);
    this.#unwatch = resources.watch((changed) => {
      for (const { kind, project, name } of changed) {
        if (kind === lookupKind.kind) this.#refreshLater(project ?? "", name);
      }
    });
    this.#following = this.#follow(position);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#unwatch();
    this.#forgetTimer?.();
    await Promise.all([this.#following, this.#turn]);
    await Promise.all([...this.#kept.values()].map(({ copy }) => copy.stop()));
    this.#kept.clear();
  }

  /** null where there is none, or a change that declared it has not been heard of. */
  find(project: string, name: string): Lookup | null {
    return this.#kept.get(`${project}.${name}`)?.copy ?? null;
  }

  /** In the order in which this process has begun to hold them. */
  list(): readonly Lookup[] {
    return [...this.#kept.values()].map(({ copy }) => copy).sort((a, b) => a.ordinal - b.ordinal);
  }

  async #follow(position: number): Promise<void> {
    const { bus, clock, telemetry } = this.#options;
    const { signal } = this.#stopping;
    for (let after = position; !signal.aborted; ) {
      try {
        for await (const event of bus.tail({ after, types, signal })) {
          if (event.type === "dataset.committed") this.#committed(event.subject, event.data);
          else this.#declared(event.data);
          after = event.position;
        }
      } catch (error) {
        if (!signal.aborted) telemetry.log.warn("lookups cannot follow the bus; it is tried again", { error });
      }
      await delay(clock, 1_000, signal).catch(() => {});
    }
  }

  #committed(dataset: string, data: unknown): void {
    const commit = commitData.safeParse(data);
    for (const { copy } of this.#kept.values()) {
      if (formatDatasetPath(copy.dataset) === dataset) copy.wake(commit.success ? commit.data.rows : 0);
    }
  }

  #declared(data: unknown): void {
    const change = changeData.safeParse(data);
    if (change.success && change.data.kind === lookupKind.kind)
      this.#refreshLater(change.data.project, change.data.name);
  }

  #refreshLater(project: string, name: string): void {
    this.#turn = this.#turn.then(async () => {
      for (let failures = 0; !this.#stopping.signal.aborted; failures++) {
        try {
          return await this.#refresh(project, name);
        } catch (error) {
          this.#options.telemetry.log.warn("a lookup's declaration cannot be read; it is tried again", { error });
          const waitMs = Math.min(30_000, 250 * 2 ** failures);
          await delay(this.#options.clock, waitMs, this.#stopping.signal).catch(() => {});
        }
      }
    });
  }

  /** Makes what is held equal to what is declared under the name. */
  async #refresh(project: string, name: string): Promise<void> {
    const { resources, datasets, clock } = this.#options;
    const path = `${project}.${name}`;
    const declared = await resources.get(lookupKind, project, name);
    const before = this.#kept.get(path);
    if (before !== undefined && declared?.id === before.resourceId && declared.generation === before.generation) return;
    this.#kept.delete(path);
    await before?.copy.stop();
    this.#tellLater();
    if (declared === null || this.#stopping.signal.aborted) return;
    const copy = new LookupCopy({
      project,
      name,
      ordinal: ++this.#ordinal,
      dataset: lookupDataset(project, declared.spec),
      key: declared.spec.key,
      seed: seedOf(declared.id),
      datasets,
      reader: this.#reader,
      turns: this.#turns,
      clock,
      changed: (changed) => this.#changed(path, changed),
    });
    const { id: resourceId, generation } = declared;
    this.#kept.set(path, { resourceId, generation, copy, recordedMs: 0, recordedState: "" });
    copy.start();
  }

  #changed(path: string, copy: LookupCopy): void {
    const kept = this.#kept.get(path);
    if (kept?.copy !== copy) return;
    this.#tellLater();
    const { clock, record, telemetry } = this.#options;
    const { state } = copy;
    if (state.problem !== null)
      telemetry.log.warn("a lookup cannot be brought up to date", { lookup: path, error: state.problem });
    const told = `${state.state} ${state.problem?.message ?? ""}`;
    const isNew = told !== kept.recordedState;
    if (!isNew && clock.monotonicMs() - kept.recordedMs < recordMs) return;
    kept.recordedMs = clock.monotonicMs();
    kept.recordedState = told;
    record(state);
    if (isNew) this.#setStatus(state);
  }

  /** The status is the word of whichever server spoke last. */
  #setStatus({ project, name, state, problem }: LookupState): void {
    const { resources, telemetry } = this.#options;
    resources
      .setStatus({ kind: lookupKind.kind, project, name }, { state, problem: problem?.message ?? null })
      .catch((error: unknown) => telemetry.log.warn("a lookup's status cannot be written", { error }));
  }

  /** Gauges, soon, and again while a copy is behind. */
  #tellLater(): void {
    const { clock, telemetry } = this.#options;
    if (this.#forgetTimer !== null || this.#stopping.signal.aborted) return;
    this.#forgetTimer = clock.timer(tellMs, () => {
      this.#forgetTimer = null;
      const states = [...this.#kept.values()].map(({ copy }) => copy.state);
      const sum = (of: (state: LookupState) => number) => states.reduce((total, state) => total + of(state), 0);
      const [entries, bytes] = [sum((state) => state.entries), sum((state) => state.bytes)];
      telemetry.metrics.gauge("lookups", states.length);
      telemetry.metrics.gauge(
        "lookups_ready",
        sum((state) => Number(state.state === "ready")),
      );
      telemetry.metrics.gauge("lookup_entries", entries);
      telemetry.metrics.gauge("lookup_bytes", bytes);
      telemetry.metrics.gauge("lookup_entry_bytes", entries === 0 ? 0 : bytes / entries);
      telemetry.metrics.gauge("lookup_behind_rows", Math.max(0, ...states.map((state) => state.behindRows)));
      telemetry.metrics.gauge("lookup_behind_seconds", Math.max(0, ...states.map((state) => state.behindMs)) / 1000);
      if (states.some((state) => state.behindMs > 0)) this.#tellLater();
    });
  }
}

/** The same on every server, so that a page's cursor of one goes on at another. */
function seedOf(resourceId: string): Seed {
  const digest = createHash("sha256").update(resourceId).digest();
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}
