import type { ResultColumn } from "../engines/index.ts";
import { ident } from "../slices/index.ts";
import { carried, ours } from "./carry.ts";
import { finalsTable, groupNumber } from "./partial.ts";
import type { ScopePart, StateSelect } from "./select.ts";

/** The latest row of each key, whole. */
export function keyedState(
  keys: readonly string[],
  made: readonly ResultColumn[],
  rowsOf: (part: ScopePart, signal: AbortSignal) => Promise<string>,
): StateSelect {
  const columns = made.map(({ name }) => name).filter((name) => !name.startsWith(ours));
  const groups = keys.map((name, at) => ({ name: `mr:g${at}`, of: ident(name) }));
  const value = columns.map((name, at) => `'c${at}': ${ident(name)}`).join(", ");
  const [time, row] = [ident(carried.eventTime), ident(carried.row)];
  const latest = `max({'time': ${time}, 'row': ${row}, 'value': {${value}}}) AS "mr:s0"`;
  const list = [...groups.map(({ name, of }) => `${of} AS ${ident(name)}`), latest];
  const read = columns.map((name, at) => `"mr:s0"['value']['c${at}'] AS ${ident(name)}`);
  const passing = `"mr:s0"['time'] AS ${time}, ${ident(groupNumber)}`;
  return {
    shape: { groups: groups.map(({ name }) => name), states: [{ name: "mr:s0", merge: "greatest" }] },
    identified: keys,
    final: `SELECT ${read.join(", ")}, ${passing} FROM ${ident(finalsTable)}`,
    partial: async (part, signal) => `SELECT ${list.join(", ")} FROM (${await rowsOf(part, signal)}) GROUP BY ALL`,
  };
}
