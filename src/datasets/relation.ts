import { type DatasetPath, formatDatasetPath, MillraceError } from "../base/index.ts";
import { type FileGroup, relationSql, type TypedColumn } from "../compiler/index.ts";
import {
  copyColumns,
  type DataSchema,
  duckdbType,
  ident,
  isChangelog,
  retractsField,
  sliceType,
  systemFields,
  userColumns,
} from "../slices/index.ts";
import type { LiveSlice } from "./layout/live-slices.ts";
import type { Snapshot } from "./snapshot.ts";

/** Files of a snapshot's slices, and where they lie here, in their order. */
export interface RelationFiles {
  readonly slices: readonly LiveSlice[];
  readonly paths: readonly string[];
}

/** Offsets, the end left out. */
export interface OffsetBounds {
  readonly fromOffset: number;
  readonly belowOffset: number;
}

/**
 * SQL of what a snapshot's rows say: of a changelog, those that hold; of another dataset, all.
 * @param files of a changelog all of the snapshot's, for what is taken back may stand in any
 * @throws sql_binding where the dataset has no columns yet
 */
export function relationOf(path: DatasetPath, snapshot: Snapshot, files: RelationFiles): string {
  const changes = changesOf(path, snapshot, files);
  if (snapshot.schema === null || !isChangelog(snapshot.schema)) return changes;
  const columns = [...systemFields, ...userColumns(snapshot.schema)].map(({ name }) => `"mr:all".${ident(name)}`);
  const retracts = ident(retractsField.name);
  return `SELECT ${columns.join(", ")} FROM (${changes}) AS "mr:all"
ANTI JOIN (SELECT ${retracts} FROM (${changes}) WHERE "op" IN (1, 2)) AS "mr:gone" ON "mr:all"."offset" = "mr:gone".${retracts}
WHERE "mr:all"."op" IN (0, 3)`;
}

/**
 * SQL of a snapshot's rows as they stand in its slices, in order of their offsets: columns as the newest schema of the snapshot types
 * them. Groups follow the schemas that the slices were written with.
 * @param bounds only these rows; all that have not expired, unless said
 * @throws sql_binding where the dataset has no columns yet
 */
export function changesOf(
  path: DatasetPath,
  snapshot: Snapshot,
  files: RelationFiles,
  bounds: OffsetBounds = { fromOffset: snapshot.expiredBefore, belowOffset: snapshot.rows },
): string {
  if (snapshot.schema === null) {
    throw new MillraceError("sql_binding", `The dataset ${formatDatasetPath(path)} has no rows and no columns yet.`, {
      hint: "Push or import rows first; the result of a transform has columns as soon as its inputs have.",
    });
  }
  const groups: (FileGroup & { readonly of: LiveSlice; readonly paths: string[] })[] = [];
  const isReadAsOne = readsAsOne(snapshot);
  for (const [index, slice] of files.slices.entries()) {
    const last = groups.at(-1);
    const path = files.paths[index] ?? "";
    const cut = cutOf(slice, bounds);
    if (last !== undefined && isReadAsOne(last.of, slice) && cut === null && cutOf(last.of, bounds) === null)
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
  { firstOffset, lastOffset }: LiveSlice,
  { fromOffset, belowOffset }: OffsetBounds,
): Pick<FileGroup, "belowOffset" | "fromOffset"> | null {
  const isBeyond = lastOffset >= belowOffset;
  const isBefore = firstOffset < fromOffset;
  if (!isBeyond && !isBefore) return null;
  return { ...(isBeyond ? { belowOffset } : {}), ...(isBefore ? { fromOffset } : {}) };
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
