import {
  type DatasetPath,
  datasetName,
  formatDatasetPath,
  MillraceError,
  nearest,
  projectName,
} from "../base/index.ts";
import {
  foldName,
  type PastPoint,
  pastPoint,
  positionInText,
  quarantineSql,
  type Reference,
  replaceTable,
  type SqlParser,
  type Statement,
  textOf,
} from "../compiler/index.ts";
import {
  type AsOf,
  type DatasetRef,
  type Datasets,
  type LiveSlice,
  relationOf,
  type Snapshot,
} from "../datasets/index.ts";
import type { Identity, Principal } from "../identity/index.ts";

const quarantineSuffix = "__quarantine";

/** A named dataset, found and allowed. */
export interface Resolved {
  readonly reference: Reference;
  readonly ref: DatasetRef;
  readonly part: "data" | "quarantine";
  readonly past: PastPoint | null;
}

/** Finds a reference's dataset. What the caller may not read is not found, like what is not there. @throws dataset_not_found, sql_syntax */
export async function resolveReference(
  statement: Statement,
  reference: Reference,
  options: { datasets: Datasets; identity: Identity; principal: Principal },
): Promise<Resolved> {
  const { table } = reference;
  const at = Number(table.query_location);
  const position = Number.isSafeInteger(at) ? { position: positionInText(statement, at) } : {};
  const [project, name] = [foldName(textOf(table, "schema_name")), foldName(textOf(table, "table_name"))];
  const path = pathOf(project, name.replace(new RegExp(`${quarantineSuffix}$`), ""));
  const ref = path === null ? null : await findAllowed(path, options);
  if (ref === null) {
    const said = project === "" ? name : `${project}.${name}`;
    throw new MillraceError("dataset_not_found", `There is no dataset ${said.slice(0, 200)}.`, {
      ...position,
      hint: await hintFor(said, options),
    });
  }
  return { reference, ref, part: name.endsWith(quarantineSuffix) ? "quarantine" : "data", past: pastPoint(table) };
}

function pathOf(project: string, dataset: string): DatasetPath | null {
  try {
    return { project: projectName(project), dataset: datasetName(dataset) };
  } catch {
    return null;
  }
}

async function findAllowed(
  path: DatasetPath,
  { datasets, identity, principal }: { datasets: Datasets; identity: Identity; principal: Principal },
): Promise<DatasetRef | null> {
  return (await identity.allows(principal, "dataset.select", { dataset: path })) ? await datasets.find(path) : null;
}

async function hintFor(
  said: string,
  options: { datasets: Datasets; identity: Identity; principal: Principal },
): Promise<string> {
  const visible = await visibleDatasets(options);
  const near = nearest(
    said,
    visible.map((ref) => formatDatasetPath(ref.path)),
  );
  return near === null
    ? "SHOW TABLES lists the datasets that you may read; name one as PROJECT.DATASET."
    : `Did you mean ${near}?`;
}

export async function visibleDatasets({
  datasets,
  identity,
  principal,
}: {
  datasets: Datasets;
  identity: Identity;
  principal: Principal;
}): Promise<DatasetRef[]> {
  const all = await datasets.list();
  const allowed = await Promise.all(
    all.map((ref) => identity.allows(principal, "dataset.select", { dataset: ref.path })),
  );
  return all.filter((_, index) => allowed[index]);
}

export function asOf(past: PastPoint | null): AsOf | undefined {
  return past ?? undefined;
}

const keptTrees = 200;
const longestRelation = 100_000;

/** Trees of relations by their SQL, the latest ones: the same files are read again and again. */
export class RelationTrees {
  readonly #trees = new Map<string, string>();

  async of(sql: string, parser: SqlParser, signal: AbortSignal): Promise<string> {
    const known = this.#trees.get(sql);
    if (known !== undefined) return known;
    const tree = await parser.serialize(sql, signal);
    if (sql.length > longestRelation) return tree;
    this.#trees.set(sql, tree);
    const [oldest] = this.#trees.keys();
    if (this.#trees.size > keptTrees && oldest !== undefined) this.#trees.delete(oldest);
    return tree;
  }
}

/** Puts a dataset's files in the place of its name. */
export async function replaceWithFiles(
  resolved: Resolved,
  snapshot: Snapshot,
  files: { readonly slices: readonly LiveSlice[]; readonly paths: readonly string[] },
  { parser, trees }: { readonly parser: SqlParser; readonly trees: RelationTrees },
  signal: AbortSignal,
): Promise<void> {
  const { table } = resolved.reference;
  const name = textOf(table, "table_name");
  const sql =
    resolved.part === "quarantine" ? quarantineSql(files.paths) : relationOf(resolved.ref.path, snapshot, files);
  replaceTable(table, await trees.of(sql, parser, signal), name);
}
