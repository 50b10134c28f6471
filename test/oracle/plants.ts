import type { OpenStreams } from "../streams/open.ts";

/** A bug that the oracle has to find, put around what transforms stand on. */
export interface Plant {
  readonly name: string;
  readonly into: (streams: OpenStreams) => void;
}

export const plants: readonly Plant[] = [
  {
    name: "what is taken back is not told",
    into: inRuns((sql) => sql.replace(/(AS retracts FROM "mr:minus" AS "mr:t")/, "$1 WHERE op > 1")),
  },
  {
    name: "one of the groups that new rows are of is not made anew",
    into: inRuns((sql) =>
      sql.replace(/^(CREATE TEMP TABLE "mr:keys" AS) (.*)$/s, "$1 SELECT * FROM ($2) QUALIFY row_number() OVER () > 1"),
    ),
  },
  {
    name: "a row is read again by the next process",
    into({ open: { datasets } }) {
      const real = datasets.execute.bind(datasets);
      datasets.execute = (id, run, signal) => {
        const inputs = run.inputs.map(({ newOffset, ...input }) =>
          newOffset === undefined || newOffset === (input.prevOffset ?? -1) + 1
            ? { ...input, ...(newOffset === undefined ? {} : { newOffset }) }
            : { ...input, newOffset: newOffset - 1 },
        );
        return real(id, { ...run, inputs }, signal);
      };
    },
  },
];

/** Another text for the statements that make a run's rows. */
function inRuns(change: (sql: string) => string): Plant["into"] {
  return ({ open }) => {
    const { pool } = open.pool;
    const real = pool.writeSlice.bind(pool);
    pool.writeSlice = (script, file, signal) => {
      const statements = script.statements.map(({ sql, ...statement }) => ({ ...statement, sql: change(sql) }));
      return real({ ...script, statements }, file, signal);
    };
  };
}
