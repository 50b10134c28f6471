import { MillraceError } from "../../base/index.ts";
import { type DataSchema, ident, isChangelog, retractsField, userColumns } from "../../slices/index.ts";

/** The columns of a lookup's records. */
export interface EntryColumns {
  /** Those that are the user's. */
  readonly columns: readonly string[];
  readonly key: readonly string[];
  /** Whether the rows take others back: see `isChangelog`. */
  readonly isChangelog: boolean;
}

/** @throws conflict where a column of the key is not there */
export function entryColumns(schema: DataSchema | null, key: readonly string[]): EntryColumns {
  const columns = schema === null ? [] : userColumns(schema).map(({ name }) => name);
  const found = key.map((wanted) => {
    const name = columns.find((one) => one.toLowerCase() === wanted.toLowerCase());
    if (name !== undefined) return name;
    throw new MillraceError("conflict", `Its dataset has no column "${wanted}".`, {
      hint: "It is loaded as soon as rows with that column have come.",
    });
  });
  return { columns, key: found, isChangelog: schema !== null && isChangelog(schema) };
}

const offset = ident("offset");
const retracts = ident(retractsField.name);

/** Rows that set and delete keys, each by its own operation. */
export function rowsSql({ columns, key }: EntryColumns, rows: string): string {
  const list = [...columns.map(ident), `CAST("op" AS INTEGER)`, ...key.map(ident)];
  return `SELECT ${list.join(", ")} FROM (${rows}) ORDER BY ${offset}`;
}

/** What `rows` of a changelog add and no row of `later` takes back. */
export function holdingSql({ columns, key }: EntryColumns, rows: string, later: string): string {
  const list = [...columns.map(ident), "0", ...key.map(ident)];
  return `SELECT ${list.join(", ")} FROM (${heldOf(rows, later)}) ORDER BY ${offset}`;
}

/** How many keys whole commits of a changelog take a row of away, and give none: another row may hold for them, or none. */
export function looseKeysSql(of: EntryColumns, changes: string): string {
  return `SELECT count(*)::INTEGER AS n FROM (${looseKeys(of, changes)})`;
}

/** What whole commits of a changelog add; each loose key gets the newest row of `all` that holds for it, or is deleted. */
export function changesSql(of: EntryColumns, changes: string, all: string | null): string {
  const { columns, key } = of;
  const names = [...columns.map(ident), op, ...key.map((_, at) => keyName(at))].join(", ");
  const added = [...columns.map(ident), `0 AS ${op}`, ...key.map((name, at) => `${ident(name)} AS ${keyName(at)}`)];
  const adds = `SELECT 1 AS ${turn}, ${offset}, ${added.join(", ")} FROM (${heldOf(changes, changes)})`;
  const parts = all === null ? [adds] : [looseSql(of, changes, all), adds];
  return `SELECT ${names} FROM (${parts.join(" UNION ALL ")}) ORDER BY ${turn}, ${offset}`;
}

const [op, turn] = [ident("mr:op"), ident("mr:turn")];
const keyName = (at: number) => ident(`mr:key ${at}`);
/** Keys are compared as the texts that they are found by: 0.0 and -0.0 are two. */
const textName = (at: number) => ident(`mr:text ${at}`);
const textsOf = (key: readonly string[]) =>
  key.map((name, at) => `CAST(${ident(name)} AS VARCHAR) AS ${textName(at)}`).join(", ");
const textNames = (key: readonly string[]) => key.map((_, at) => textName(at)).join(", ");

function heldOf(rows: string, later: string): string {
  return `SELECT * FROM (${rows}) AS held
ANTI JOIN (SELECT ${retracts} FROM (${later}) WHERE "op" IN (1, 2)) AS gone ON held.${offset} = gone.${retracts}
WHERE held."op" IN (0, 3)`;
}

function looseKeys({ key }: EntryColumns, changes: string): string {
  const isWhole = key.map((name) => `${ident(name)} IS NOT NULL`).join(" AND ");
  const typed = key.map((name, at) => `${ident(name)} AS ${keyName(at)}`).join(", ");
  return `SELECT * FROM (
  SELECT DISTINCT ON (${textNames(key)}) ${textsOf(key)}, ${typed} FROM (${changes}) WHERE "op" IN (1, 2) AND ${isWhole}
) ANTI JOIN (SELECT ${textsOf(key)} FROM (${heldOf(changes, changes)})) USING (${textNames(key)})`;
}

/** Rows of loose keys alone are looked at, and of them which hold: a row and the one that takes it back have one key. */
function looseSql(of: EntryColumns, changes: string, all: string): string {
  const { columns, key } = of;
  const texts = textNames(key);
  const ofLooseKeys = `SELECT * FROM (SELECT *, ${textsOf(key)} FROM (${all}))
SEMI JOIN (${looseKeys(of, changes)}) USING (${texts})`;
  const newest = `SELECT * FROM (${heldOf(ofLooseKeys, ofLooseKeys)})
QUALIFY row_number() OVER (PARTITION BY ${texts} ORDER BY ${offset} DESC) = 1`;
  const values = columns.map((name) => `newest.${ident(name)}`);
  const keys = key.map((_, at) => `loose.${keyName(at)}`);
  const list = [...values, `CASE WHEN newest.${offset} IS NULL THEN 1 ELSE 0 END AS ${op}`, ...keys];
  return `SELECT 0 AS ${turn}, 0 AS ${offset}, ${list.join(", ")}
FROM (${looseKeys(of, changes)}) AS loose LEFT JOIN (${newest}) AS newest USING (${texts})`;
}
