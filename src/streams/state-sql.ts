import type { Instant } from "../base/index.ts";
import { attachedDatabase } from "../engines/index.ts";
import { ident, literal, timestampLiteral } from "../slices/index.ts";
import { isTable, wasTable } from "./difference.ts";
import { finalsTable, groupEnd, groupNumber, type StateShape } from "./partial.ts";

/**
 * The state of a derivative is a DuckDB database of three tables. `groups`: what tells a group apart, its states, and the offset and event time of the row that was told
 * of it (null: none). `pending`: the same of the groups that a run has changed, which count once its block is committed. `ledger`: up to which block, and which
 * rows of the inputs, the groups are.
 */
const table = (name: string) => `${ident(attachedDatabase)}.${name}`;
const [groups, pending, ledger] = [table("groups"), table("pending"), table("ledger")];
const delta = '"mr:delta"';
const next = '"mr:next"';
const told = '"mr:told"';
const offset = '"mr:offset"';
const toldAt = '"mr:at"';
const seqOf = '"mr:seq"';
const toldOf = (of: string) => [`${of}.${offset}`, `${of}.${toldAt}`];
const wasState = (name: string) => ident(`mr:was:${name}`);

const isSame = ({ groups: names }: StateShape, left: string, right: string) =>
  names.length === 0
    ? "true"
    : names.map((name) => `${left}.${ident(name)} IS NOT DISTINCT FROM ${right}.${ident(name)}`).join(" AND ");

const columnsOf = ({ groups: names, states }: StateShape) => [...names, ...states.map(({ name }) => name)].map(ident);

/** Makes the tables. @param partial SQL of states without any row */
export function createState(partial: string, said: string): string[] {
  return [
    `CREATE TABLE ${groups} AS SELECT *, CAST(NULL AS UBIGINT) AS ${offset}, CAST(NULL AS TIMESTAMPTZ) AS ${toldAt} FROM (${partial}) LIMIT 0`,
    `CREATE TABLE ${pending} AS SELECT *, CAST(0 AS BIGINT) AS ${seqOf} FROM ${groups}`,
    `CREATE TABLE ${ledger} AS SELECT version() AS engine, ${literal(said)} AS said`,
  ];
}

/** All that is done to states, over none: DuckDB gives out states of some aggregates that it cannot combine again. */
export function tryStates({ groups: names, states }: StateShape, none: string): string {
  const merged = states.map(({ name, merge }) => `${merge}(l.${ident(name)}, r.${ident(name)}) AS ${ident(name)}`);
  const columns = [...names.map((name) => `l.${ident(name)}`), ...merged];
  const values = states.map(({ name, merge }) => (merge === "combine" ? `finalize(${ident(name)})` : ident(name)));
  const list = [...names.map(ident), ...values].map((value, at) => `${value} AS "v${at}"`);
  return `SELECT ${list.join(", ")} FROM (SELECT ${columns.join(", ")} FROM (${none}) AS l, (${none}) AS r)`;
}

/** What the ledger says; the layout of exported states is the engine's own, and may be another one in its next version. */
export const readLedger = `SELECT engine = version() AS "isReadable", said FROM ${ledger}`;
export const countGroups = `SELECT CAST(count(*) AS DOUBLE) AS groups FROM ${groups}`;

/** Makes the groups those behind a block: by what the run that made it left, or as they are. */
export function settle(shape: StateShape, seq: number, said: string): string[] {
  const isOf = `${seqOf} = ${seq}`;
  return [
    `DELETE FROM ${groups} AS g USING ${pending} AS p WHERE p.${isOf} AND ${isSame(shape, "g", "p")}`,
    `INSERT INTO ${groups} SELECT * EXCLUDE (${seqOf}) FROM ${pending} WHERE ${isOf}`,
    ...dropPending,
    sayLedger(said),
  ];
}

export const dropPending: readonly string[] = [`DELETE FROM ${pending}`];
const sayLedger = (said: string) => `UPDATE ${ledger} SET said = ${literal(said)}`;

/** Groups of windows that have ended then or before never change again. */
export function forgetClosed(by: Instant | null): string[] {
  return by === null ? [] : [`DELETE FROM ${groups} WHERE ${ident(groupEnd)} <= ${timestampLiteral(by)}`];
}

/** What rows add to their groups. */
export function deltaTable(partial: string): string {
  return `CREATE TEMP TABLE ${delta} AS ${partial}`;
}

/**
 * The groups that the delta changes, as they are then and as they were; with `closing`, those too whose windows end behind `after` and not behind
 * `by`.
 */
export function nextTable(
  shape: StateShape,
  closing: { readonly after: Instant | null; readonly by: Instant } | null,
): string {
  const merged = shape.states.map(({ name, merge }) => {
    const [was, more] = [`g.${ident(name)}`, `d.${ident(name)}`];
    return `${merge}(${was}, ${more}) AS ${ident(name)}`;
  });
  const names = shape.groups.map(ident);
  const was = shape.states.map(({ name }) => `g.${ident(name)} AS ${wasState(name)}`);
  const changed = `SELECT ${[...names.map((name) => `d.${name}`), ...merged, ...was, ...toldOf("g")].join(", ")}
  FROM ${delta} AS d LEFT JOIN ${groups} AS g ON ${isSame(shape, "g", "d")}`;
  const after = closing?.after == null ? "" : ` AND g.${ident(groupEnd)} > ${timestampLiteral(closing.after)}`;
  const closed =
    closing === null
      ? ""
      : ` UNION ALL SELECT ${[...columnsOf(shape).map((name) => `g.${name}`), ...was, ...toldOf("g")].join(", ")}
  FROM ${groups} AS g ANTI JOIN ${delta} AS d ON ${isSame(shape, "g", "d")}
  WHERE g.${ident(groupEnd)} <= ${timestampLiteral(closing.by)}${after}`;
  return `CREATE TEMP TABLE ${next} AS SELECT row_number() OVER () AS ${ident(groupNumber)}, * FROM (${changed}${closed})`;
}

/** The result's rows of groups. @param final SQL over `mr:finals` @param of as they are after the run, were before it, or stand in the state */
export function finalRows(shape: StateShape, final: string, of: "next" | "was" | "kept", by: Instant | null): string {
  const nameOf = (name: string) => (of === "was" ? wasState(name) : ident(name));
  const values = shape.states.map(({ name, merge }) => {
    const state = nameOf(name);
    return `${merge === "combine" ? `finalize(${state})` : state} AS ${ident(name)}`;
  });
  const number = of === "kept" ? `rowid AS ${ident(groupNumber)}` : ident(groupNumber);
  const isTold = [
    ...(of === "was" ? [`${offset} IS NOT NULL`] : []),
    ...(by === null ? [] : [`${nameOf(groupEnd)} <= ${timestampLiteral(by)}`]),
  ];
  const where = isTold.length === 0 ? "" : ` WHERE ${isTold.join(" AND ")}`;
  const rows = `SELECT ${[number, ...shape.groups.map(ident), ...values].join(", ")} FROM ${of === "kept" ? groups : next}${where}`;
  return `WITH ${ident(finalsTable)} AS (${rows}) ${final}`;
}

/** Groups as they were, with the offset and the event time of the row that was told of each. */
export function withTold(rows: string): string {
  const number = ident(groupNumber);
  return `SELECT f.*, ${toldOf("n").join(", ")} FROM (${rows}) AS f JOIN ${next} AS n ON f.${number} = n.${number}`;
}

/** Which row is told of each group, of those that stay and those that the run writes. @param by columns of the result that tell groups apart */
export function toldTable(by: readonly string[], output: string | null): string {
  const names = by.map(ident);
  const number = ident(groupNumber);
  const columns = (of: string, at: string) => [`${of} AS ${offset}`, `${at} AS "mr:time"`, ...names].join(", ");
  const stays = `SELECT ${columns(offset, '"mr:time"')} FROM ${wasTable}`;
  const rows =
    output === null
      ? stays
      : `${stays} WHERE ${offset} NOT IN (SELECT retracts FROM ${output} WHERE retracts IS NOT NULL)
  UNION ALL SELECT ${columns('"offset"', "event_time")} FROM ${output} WHERE op IN (0, 3)`;
  // Groups may look the same once they are stored, as times of more than microseconds do.
  const numbered = (of: string, order: string) =>
    `SELECT *, row_number() OVER (PARTITION BY ${names.join(", ") || "NULL"} ORDER BY ${order}) AS "mr:n" FROM ${of}`;
  const same = [...names, '"mr:n"'].map((name) => `i.${name} IS NOT DISTINCT FROM r.${name}`).join(" AND ");
  return `CREATE TEMP TABLE ${told} AS SELECT i.${number}, r.${offset}, r."mr:time" AS ${toldAt}
  FROM (${numbered(isTable, number)}) AS i JOIN (${numbered(`(${rows})`, offset)}) AS r ON ${same}`;
}

/** Leaves what a run has made of its groups for the block that it is to be. */
export function leavePending(shape: StateShape, seq: number): string {
  const number = ident(groupNumber);
  const columns = columnsOf(shape).map((name) => `n.${name}`);
  return `INSERT INTO ${pending} SELECT ${[...columns, ...toldOf("t"), String(seq)].join(", ")}
  FROM ${next} AS n LEFT JOIN ${told} AS t ON n.${number} = t.${number}`;
}

/** Adds the delta to the groups; what was told of them is found anew. */
export function addDelta(shape: StateShape): string[] {
  const columns = columnsOf(shape).map((name) => `n.${name}`);
  return [
    `DELETE FROM ${groups} AS g USING ${next} AS n WHERE ${isSame(shape, "g", "n")}`,
    `INSERT INTO ${groups} SELECT ${columns.join(", ")}, NULL, NULL FROM ${next} AS n`,
  ];
}

/** Says of each group which row is told of it, and up to where the groups are. */
export function sayTold(said: string): string[] {
  return [
    `UPDATE ${groups} SET ${offset} = NULL`,
    `UPDATE ${groups} AS g SET ${offset} = t.${offset}, ${toldAt} = t.${toldAt} FROM ${told} AS t WHERE g.rowid = t.${ident(groupNumber)}`,
    sayLedger(said),
  ];
}

/** How many groups should be told of, how many rows were, how many are of each other, and of those how many say the same. @param names the result's columns */
export function countTold(names: readonly string[]): string {
  const number = ident(groupNumber);
  const same = names.map((name) => `i.${ident(name)} IS NOT DISTINCT FROM w.${ident(name)}`).join(" AND ");
  const matched = `SELECT count(*) AS matched, count(*) FILTER (${same || "true"}) AS same
  FROM ${told} AS t JOIN ${isTable} AS i ON i.${number} = t.${number} JOIN ${wasTable} AS w ON w.${offset} = t.${offset}`;
  return `SELECT CAST((SELECT count(*) FROM ${isTable}) AS DOUBLE) AS wanted,
  CAST((SELECT count(*) FROM ${wasTable}) AS DOUBLE) AS there, CAST(matched AS DOUBLE) AS matched, CAST(same AS DOUBLE) AS same FROM (${matched})`;
}
