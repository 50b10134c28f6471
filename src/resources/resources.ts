import { type Clock, type IdSource, type Logger, MillraceError, type Service, silentTelemetry } from "../base/index.ts";
import type { JSONValue, ObjectStore, Sql, Statements } from "../storage/index.ts";
import { type Applied, type ApplyOptions, Changes, type DeleteOptions, type EventAppender } from "./changes.ts";
import { type Checked, check } from "./checked.ts";
import { type Difference, differences } from "./difference.ts";
import { didYouMean } from "./explain.ts";
import { databaseFailure } from "./failure.ts";
import { addressOf, describeName, type Kind, type ResourceName } from "./kind.ts";
import { Mirror } from "./mirror.ts";
import { type ManifestInput, type Resource, resourceOf } from "./resource.ts";
import { newestPosition, selectResource, selectResources, updateStatus } from "./sql/resources.ts";
import { type ChangeFeed, type ChangeNews, readChanges, Watchers } from "./watch.ts";

export interface ResourcesOptions {
  readonly sql: Sql;
  readonly store: ObjectStore;
  /** The bus fits it. */
  readonly events: EventAppender & ChangeFeed;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly kinds: readonly Kind[];
  readonly log?: Logger;
  /** How long a change waits for its copy in the object store. */
  readonly mirrorWaitMs?: number;
  /** How often changes are looked for that no server waits for; a minute by default. */
  readonly mirrorLookMs?: number;
}

export interface ListFilter {
  readonly project?: string | null;
  /** Each of them must be there. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Behind this one: `name` where a project is given or the kind has none, else `project/name`. */
  readonly after?: string | null;
  /** Absent: all of them. */
  readonly limit?: number;
}

const page = 1_000;

/** What people declare. Every accepted change is one row, one event and one mirror object, in the same order. */
export class Resources implements Service {
  readonly name = "resources";
  readonly #options: ResourcesOptions;
  readonly #kinds: ReadonlyMap<string, Kind>;
  readonly #mirror: Mirror;
  readonly #watchers: Watchers;

  constructor(options: ResourcesOptions) {
    const { sql, store, clock, events } = options;
    const log = options.log ?? silentTelemetry.log;
    this.#options = options;
    this.#kinds = new Map(options.kinds.map((kind) => [kind.kind, kind]));
    this.#mirror = new Mirror({
      sql,
      store,
      clock,
      log,
      waitMs: options.mirrorWaitMs ?? 10_000,
      lookEveryMs: options.mirrorLookMs ?? 60_000,
    });
    this.#watchers = new Watchers({ feed: events, clock, log });
  }

  /** Copies what a crash left uncopied, and listens to other servers' changes. @throws conflict, unavailable */
  async start(): Promise<void> {
    await this.#mirror.start();
    this.#watchers.start();
  }

  async stop(): Promise<void> {
    await this.#watchers.stop();
    await this.#mirror.stop();
  }

  /** @throws bad_manifest */
  kind(name: string): Kind {
    const kind = this.#kinds.get(name);
    if (kind !== undefined) return kind;
    const known = [...this.#kinds.values()].filter((one) => one.internal !== true).map((one) => one.kind);
    throw new MillraceError("bad_manifest", `There is no kind "${name.slice(0, 100)}".`, {
      hint: didYouMean(name, known) ?? `Kinds: ${known.join(", ")}.`,
    });
  }

  /**
   * Makes the declared thing so, and waits until the mirror holds it.
   * @throws bad_manifest or bad_name (with the position, where the input has a text), precondition_failed (another
   * generation), not_found or dataset_not_found (what it belongs to), conflict (a change at the same moment),
   * unavailable: the database is away; or the object store is, then the change is made: readers and subscribers see it, a
   * repetition is `unchanged` and waits again, and the copy follows by itself.
   */
  async apply(input: ManifestInput, options: ApplyOptions): Promise<Applied> {
    return await this.change((changes) => changes.apply(input, options));
  }

  /**
   * Deletes it and what goes with it (see `whenOwnerGoes`).
   * @throws not_found or dataset_not_found, precondition_failed, conflict (something belongs to it), unavailable as `apply`
   */
  async delete(ref: ResourceName, options: DeleteOptions): Promise<void> {
    this.kind(ref.kind);
    await this.change((changes) => changes.delete(ref, options));
  }

  /** Many changes in one transaction: all of them or none. Throws what they throw, and `unavailable` as `apply` does. */
  async change<Result>(work: (changes: Changes) => Promise<Result>): Promise<Result> {
    const { sql, events } = this.#options;
    const done: { result: Result; waitFor: number; changed: readonly ResourceName[] }[] = [];
    await this.#guarded(() =>
      sql.begin(async (transaction) => {
        const changes = this.#changes(transaction);
        const result = await work(changes);
        done.push({ result, ...(await changes.finish(events)) });
      }),
    );
    const [end] = done;
    if (end === undefined) throw new Error("the transaction has ended without its end");
    this.#watchers.tell(end.changed);
    if (end.waitFor > 0) await this.#mirror.upTo(end.waitFor);
    return end.result;
  }

  /** What the same `change` would answer or throw, without making it: each change sees those before it. */
  async rehearse<Result>(work: (changes: Changes) => Promise<Result>): Promise<Result> {
    const done: Result[] = [];
    const undo = new Error("a rehearsal is undone");
    try {
      await this.#guarded(() =>
        this.#options.sql.begin(async (transaction) => {
          done.push(await work(this.#changes(transaction)));
          throw undo;
        }),
      );
    } catch (error) {
      const [result] = done;
      if (error !== undo || result === undefined) throw error;
      return result;
    }
    throw new Error("a rehearsal was not undone");
  }

  async get<Spec>(kind: Kind<Spec>, project: string | null, name: string): Promise<Resource<Spec> | null> {
    const address = addressOf({ kind: kind.kind, project, name });
    const [row] = await this.#guarded(() => selectResource(this.#options.sql, address));
    return row === undefined ? null : resourceOf(row, kind);
  }

  /** In order of project and name. */
  async list<Spec>(kind: Kind<Spec>, filter: ListFilter = {}): Promise<Resource<Spec>[]> {
    const found: Resource<Spec>[] = [];
    for await (const resource of this.all(kind, filter)) found.push(resource);
    return found;
  }

  /** As `list`, page by page: for many. */
  async *all<Spec>(kind: Kind<Spec>, filter: ListFilter = {}): AsyncIterable<Resource<Spec>> {
    const slash = filter.after?.indexOf("/") ?? -1;
    let after = {
      project: slash < 0 ? (filter.project ?? "") : (filter.after?.slice(0, slash) ?? ""),
      name: filter.after?.slice(slash + 1) ?? "",
    };
    for (let left = filter.limit ?? Number.POSITIVE_INFINITY; left > 0; ) {
      const limit = Math.min(page, left);
      const rows = await this.#guarded(() =>
        selectResources(this.#options.sql, {
          kind: kind.kind,
          project: filter.project ?? null,
          labels: { ...filter.labels },
          after,
          limit,
        }),
      );
      for (const row of rows) yield resourceOf(row, kind);
      const last = rows.at(-1);
      if (last === undefined || rows.length < limit) return;
      after = last;
      left -= rows.length;
    }
  }

  /** What applying would change, member by member. @throws bad_manifest, bad_name */
  async diff(input: ManifestInput): Promise<Difference[]> {
    const { kind, ref, labels, stored } = this.#check(input);
    const before = await this.get(kind, ref.project, ref.name);
    return [
      ...differences("spec", before?.spec, stored),
      ...(labels === null ? [] : differences("labels", before?.labels ?? {}, labels)),
    ];
  }

  /** What machines have made of it; changes neither generation nor mirror. @throws not_found */
  async setStatus(ref: ResourceName, status: Readonly<Record<string, JSONValue>>): Promise<void> {
    const { count } = await this.#guarded(() => updateStatus(this.#options.sql, addressOf(ref), { ...status }));
    if (count === 0) throw new MillraceError("not_found", `There is no ${describeName(ref)}.`);
  }

  /** Calls back soon after each change, this server's own before its apply resolves. @returns ends it */
  watch(listener: (changed: readonly ResourceName[]) => void): () => void {
    return this.#watchers.add(listener);
  }

  /** Position of the newest event: what is read afterwards holds all changes up to it. */
  async position(): Promise<number> {
    return Number((await this.#guarded(() => newestPosition(this.#options.sql)))[0]?.position ?? 0);
  }

  /** Which names have changed after a position, in order; and the position up to which this tells. */
  async changesAfter(position: number): Promise<ChangeNews> {
    return await this.#guarded(() => readChanges(this.#options.events, position));
  }

  #changes(sql: Statements): Changes {
    const { clock, ids } = this.#options;
    return new Changes({ sql, clock, ids, kinds: this.#kinds, check: (input) => this.#check(input) });
  }

  #check(input: ManifestInput): Checked {
    let kind: Kind;
    try {
      kind = this.kind(input.kind);
    } catch (error) {
      if (!(error instanceof MillraceError) || input.locate === undefined) throw error;
      const { hint } = error;
      const position = input.locate(["kind"]);
      throw new MillraceError(error.code, error.message, { position, ...(hint === undefined ? {} : { hint }) });
    }
    return check(kind, input);
  }

  async #guarded<Result>(work: () => PromiseLike<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw databaseFailure(error);
    }
  }
}
