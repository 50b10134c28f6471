import {
  type DatasetPath,
  datasetName,
  formatDatasetPath,
  MillraceError,
  nearest,
  projectName,
} from "../base/index.ts";
import {
  type FileGroup,
  foldName,
  type PastPoint,
  pastPoint,
  positionInText,
  quarantineSql,
  type Reference,
  relationSql,
  replaceTable,
  type SqlParser,
  type Statement,
  type TypedColumn,
  textOf,
} from "../compiler/index.ts";
import type { AsOf, DatasetRef, Datasets, LiveSlice, Snapshot } from "../datasets/index.ts";
import type { Identity, Principal } from "../identity/index.ts";
import { copyColumns, type DataSchema, duckdbType, sliceType } from "../slices/index.ts";

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

/** Puts a dataset's files in the place of its name. Groups follow the schemas that the slices were written with. */
export async function replaceWithFiles(
  resolved: Resolved,
  snapshot: Snapshot,
  files: { readonly slices: readonly LiveSlice[]; readonly paths: readonly string[] },
  { parser, trees }: { readonly parser: SqlParser; readonly trees: RelationTrees },
  signal: AbortSignal,
): Promise<void> {
  const { table } = resolved.reference;
  const name = textOf(table, "table_name");
  const sql = resolved.part === "quarantine" ? quarantineSql(files.paths) : dataSql(resolved, snapshot, files);
  replaceTable(table, await trees.of(sql, parser, signal), name);
}

function dataSql(
  resolved: Resolved,
  snapshot: Snapshot,
  files: { readonly slices: readonly LiveSlice[]; readonly paths: readonly string[] },
): string {
  if (snapshot.schema === null) {
    throw new MillraceError(
      "sql_binding",
      `The dataset ${formatDatasetPath(resolved.ref.path)} has no rows and no columns yet.`,
      {
        hint: "Push or import rows first.",
      },
    );
  }
  const groups: (FileGroup & { readonly of: LiveSlice; readonly paths: string[] })[] = [];
  const isReadAsOne = readsAsOne(snapshot);
  for (const [index, slice] of files.slices.entries()) {
    const last = groups.at(-1);
    const path = files.paths[index] ?? "";
    const cut = cutOf(slice, snapshot);
    if (last !== undefined && isReadAsOne(last.of, slice) && cut === null && cutOf(last.of, snapshot) === null)
      last.paths.push(path);
    else groups.push({ of: slice, columns: columnsIn(slice, snapshot, snapshot.schema), paths: [path], ...cut });
  }
  return relationSql(columnsOf(snapshot.schema), groups);
}

/**
 * Whether two files can be read as one relation by the columns of the first. A slice behind a copy can where the copy's integers are
 * wider and nothing else differs: a count then takes both from their metadata, and reads no row.
 */
function readsAsOne({ schemas }: Snapshot): (first: LiveSlice, next: LiveSlice) => boolean {
  const byVersion = new Map<number, boolean>();
  const differsInIntegers = (version: number) => {
    const known = schemas.slice(0, version).map(({ schema }) => schema);
    return copyColumns(known).every(
      ({ sliceType, copyType }) => sliceType === copyType || (isInteger(sliceType) && isInteger(copyType)),
    );
  };
  return (first, { kind, schemaVersion }) => {
    if (first.schemaVersion !== schemaVersion) return false;
    if (first.kind === kind) return true;
    if (first.kind !== "copy") return false;
    const isSo = byVersion.get(schemaVersion) ?? differsInIntegers(schemaVersion);
    byVersion.set(schemaVersion, isSo);
    return isSo;
  };
}

function isInteger(type: string): boolean {
  return /^U?(TINY|SMALL|BIG)?INT(EGER)?$/.test(type);
}

/** A copy may hold rows that came later than the snapshot, and such as have expired. */
function cutOf(
  slice: LiveSlice,
  { rows, expiredBefore }: Snapshot,
): Pick<FileGroup, "belowOffset" | "fromOffset"> | null {
  const isBeyond = slice.lastOffset >= rows;
  const isExpired = slice.firstOffset < expiredBefore;
  if (!isBeyond && !isExpired) return null;
  return { ...(isBeyond ? { belowOffset: rows } : {}), ...(isExpired ? { fromOffset: expiredBefore } : {}) };
}

/** The columns of a file: a slice has its schema's types, a copy signed ones. */
function columnsIn(slice: LiveSlice, { schemas }: Snapshot, newest: DataSchema): readonly TypedColumn[] {
  const known = schemas.slice(0, slice.schemaVersion).map(({ schema }) => schema);
  switch (slice.kind) {
    case "data":
      return columnsOf(known.at(-1) ?? newest);
    case "copy":
      return copyColumns(known).map(({ name, copyType }) => ({ name, type: copyType }));
  }
}

/** With the types that slices have, whether any is read or none: which ones are read must not change what a statement means. */
function columnsOf(schema: NonNullable<Snapshot["schema"]>): readonly TypedColumn[] {
  return schema.fields.map((field) => ({ name: field.name, type: sliceType(duckdbType(field)) }));
}
