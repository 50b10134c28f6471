import { type DatasetId, type DatasetPath, formatDatasetPath, MillraceError } from "../base/index.ts";
import {
  checkStatement,
  expandWindows,
  hideBehindWindow,
  type Listing,
  listings,
  openStatement,
  parseStatement,
  referenceBehindWindow,
  references,
  replaceCurrentUser,
  replaceTable,
  type Statement,
  type StatementText,
  valuesSql,
  type WindowCall,
} from "../compiler/index.ts";
import type { Head, SliceObject } from "../datasets/index.ts";
import type { SqlTree } from "../engines/index.ts";
import type { Principal } from "../identity/index.ts";
import type { About, QueriesOptions } from "./contract.ts";
import { type Plan, Plans } from "./plans.ts";
import { neededSlices } from "./pruning.ts";
import { asOf, RelationTrees, type Resolved, replaceWithFiles, resolveReference, visibleDatasets } from "./resolve.ts";

const keptTrees = 500;
const longestTree = 100_000;

/** Who asks, what is noted of the query, and what stays open until its result is made. */
export interface Compilation {
  readonly principal: Principal;
  readonly about: About;
  readonly held: AsyncDisposableStack;
  /** The files that are read, by their datasets. */
  readonly files: Map<DatasetId, readonly SliceObject[]>;
  readonly signal: AbortSignal;
}

/** What a worker runs, and whom to tell the text that it ran. */
export interface Compiled {
  readonly sql: string | SqlTree;
  readonly ran: (sql: string) => void;
  /**
   * Whether it reads everything that was committed before it was asked for. A look at a store far away takes as long as a
   * small query: it goes on while the worker runs, and what the worker made counts where the look bears it out.
   */
  readonly isCurrent: Promise<boolean>;
}

/** Turns a caller's statement into the one that a worker runs: names replaced by files of one snapshot each. */
export class Compiler {
  readonly #options: Pick<QueriesOptions, "engine" | "datasets" | "identity" | "flusher">;
  readonly #trees = new Map<string, string>();
  readonly #plans = new Plans();
  readonly #relations = new RelationTrees();

  constructor(options: Pick<QueriesOptions, "engine" | "datasets" | "identity" | "flusher">) {
    this.#options = options;
  }

  /** @throws sql_*, dataset_not_found, version_not_found, data_expired */
  async compile(text: StatementText, compilation: Compilation): Promise<Compiled> {
    const known = this.#plans.get(text.sql);
    const reused = known === undefined ? null : await this.#reuse(known, compilation);
    if (reused !== null) return reused;
    const statement = openStatement(text, await this.#parse(text, compilation.signal));
    const windows = expandWindows(statement);
    checkStatement(statement);
    const listed = listings(statement);
    for (const listing of listed) await this.#list(listing, compilation);
    const { inputs, isNewest, columns } = await this.#resolve(statement, windows, compilation);
    const isPersonal = replaceCurrentUser(statement.node, compilation.principal.user, columns);
    const isUnchanged = inputs.length === 0 && listed.length + windows.length === 0 && !isPersonal;
    const { head } = text;
    // What depends on more than the text and its datasets' heads is compiled anew each time.
    const isKept = isNewest && listed.length === 0 && !isPersonal;
    return {
      sql: isUnchanged ? head + text.query.replace(/;\s*$/, "") : { head, tree: JSON.stringify(statement.root) },
      ran: (sql) => isKept && this.#plans.set(text.sql, { sql, inputs }),
      isCurrent: Promise.resolve(true),
    };
  }

  /** Finds and replaces every dataset of the statement. */
  async #resolve(statement: Statement, windows: readonly WindowCall[], compilation: Compilation) {
    const { datasets, identity } = this.#options;
    const { principal, about, signal } = compilation;
    const resolved = await Promise.all(
      references(statement.node).map((reference) =>
        resolveReference(statement, reference, { datasets, identity, principal }),
      ),
    );
    const newest = resolved.filter((one) => one.past === null);
    await this.#flush(
      newest.map((one) => one.ref.id),
      signal,
    );
    const inputs: Plan["inputs"][number][] = [];
    const columns = new Set<string>();
    inputs.push(...(await all(resolved.map((one) => this.#replace(one, windows, columns, compilation)))));
    about.datasets = pathsOf(inputs);
    return { inputs, isNewest: newest.length === resolved.length, columns };
  }

  /**
   * A kept plan, where each input is allowed, under its name, and as far as is known here at its version with the rows that it
   * had; its slices are held open. Null where it is no longer the plan.
   */
  async #reuse(plan: Plan, { principal, about, held, files, signal }: Compilation): Promise<Compiled | null> {
    const { datasets, identity } = this.#options;
    const stands = async ({ path, id }: Plan["inputs"][number]) =>
      (await identity.allows(principal, "dataset.select", { dataset: path })) && (await datasets.find(path))?.id === id;
    if (!(await all(plan.inputs.map(stands))).every(Boolean)) return null;
    await this.#flush(
      plan.inputs.map((input) => input.id),
      signal,
    );
    const isSame = (head: Head | null, { seq, expiredBefore }: Plan["inputs"][number]) =>
      head !== null && head.seq === seq && head.expiredBefore === expiredBefore;
    if (!plan.inputs.every((input) => isSame(datasets.knownHead(input.id), input))) return null;
    const looks = plan.inputs.map(async (input) => isSame(await datasets.head(input.id, signal), input));
    const isCurrent = all(looks).then((same) => same.every(Boolean));
    isCurrent.catch(() => {}); // told to whoever awaits it
    if (await isFalseNow(isCurrent)) return null;
    try {
      for (const input of plan.inputs) addFiles(files, input);
      await all(plan.inputs.map(async (input) => held.use(await datasets.openSlices(input.id, input.files, signal))));
    } catch (error) {
      // Compacted meanwhile: the same rows are in other files.
      if (error instanceof MillraceError && error.code === "data_expired") return null;
      throw error;
    }
    about.datasets = pathsOf(plan.inputs);
    about.slicesRead = plan.inputs.reduce((sum, input) => sum + input.files.length, 0);
    about.slicesSkipped = plan.inputs.reduce((sum, input) => sum + input.skipped, 0);
    return { sql: plan.sql, ran: () => {}, isCurrent };
  }

  async #parse(text: StatementText, signal: AbortSignal): Promise<string> {
    const known = this.#trees.get(text.query);
    if (known !== undefined) return known;
    const tree = await parseStatement(text, this.#options.engine, signal);
    if (tree.length <= longestTree && text.query.length <= longestTree) {
      this.#trees.set(text.query, tree);
      const [oldest] = this.#trees.keys();
      if (this.#trees.size > keptTrees && oldest !== undefined) this.#trees.delete(oldest);
    }
    return tree;
  }

  /** SHOW TABLES: the datasets that the caller may read. */
  async #list({ table, project }: Listing, { principal, signal }: Compilation): Promise<void> {
    const { datasets, identity, engine } = this.#options;
    const visible = await visibleDatasets({ datasets, identity, principal });
    const rows = visible
      .filter(({ path }) => project === null || path.project === project)
      .map(({ path }) => [path.project, path.dataset, formatDatasetPath(path)]);
    const tree = await engine.serialize(valuesSql(["project", "dataset", "name"], rows), signal);
    replaceTable(table, tree, "tables");
  }

  async #flush(ids: readonly DatasetId[], signal: AbortSignal): Promise<void> {
    await Promise.all([...new Set(ids)].map((id) => this.#options.flusher.flush(id, signal)));
  }

  async #replace(
    resolved: Resolved,
    windows: readonly WindowCall[],
    columns: Set<string>,
    compilation: Compilation,
  ): Promise<Plan["inputs"][number]> {
    const { datasets, engine } = this.#options;
    const { about, held, signal } = compilation;
    const { id, path } = resolved.ref;
    const { part } = resolved;
    const snapshot = await datasets.snapshot(id, asOf(resolved.past), signal);
    const names = snapshot.schema?.fields.map((field) => field.name) ?? [];
    for (const name of names) columns.add(name);
    const window = windows.find(({ table }) => table === resolved.reference.table);
    if (window !== undefined && part === "data") hideBehindWindow(window, names);
    const slices = part === "data" ? neededSlices(referenceBehindWindow(resolved.reference, windows), snapshot) : [];
    const files = part === "data" ? slices : await datasets.quarantines(id, snapshot.seq, signal);
    const skipped = part === "data" ? snapshot.slices.length - slices.length : 0;
    addFiles(compilation.files, { id, files });
    const open = held.use(await datasets.openSlices(id, files, signal));
    about.slicesRead += files.length;
    about.slicesSkipped += skipped;
    const relations = { parser: engine, trees: this.#relations };
    await replaceWithFiles(resolved, snapshot, { slices, paths: open.paths }, relations, signal);
    return { id, path, seq: snapshot.seq, expiredBefore: snapshot.expiredBefore, files, skipped };
  }
}

/** All at once, each to its end: what one of them holds is held before another's failure is told. */
async function all<Value>(asked: readonly Promise<Value>[]): Promise<Value[]> {
  await Promise.allSettled(asked);
  return await Promise.all(asked);
}

/** Whether a promise resolves to false in this turn of the event loop, as a look into a folder does. */
async function isFalseNow(promise: Promise<boolean>): Promise<boolean> {
  const later = new Promise<true>((resolve) => setImmediate(() => resolve(true)));
  return !(await Promise.race([promise.catch(() => true), later]));
}

function addFiles(all: Compilation["files"], { id, files }: Pick<Plan["inputs"][number], "id" | "files">): void {
  all.set(id, [...(all.get(id) ?? []), ...files]);
}

/** Each dataset once. */
function pathsOf(inputs: Plan["inputs"]): DatasetPath[] {
  return [...new Map(inputs.map((input) => [input.id, input.path])).values()];
}
