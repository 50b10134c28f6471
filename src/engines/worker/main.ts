import { constants, setPriority } from "node:os";
import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import type { SqlTree } from "../contract.ts";
import type { FromWorker, Job, JobResults, TextQuery, ToWorker } from "../protocol/index.ts";
import { Converter } from "./converter.ts";
import { failureOf, JobFailure } from "./failure.ts";
import { openInstance } from "./instance.ts";
import { Interruptible } from "./interruptible.ts";
import { countProgress, reporting } from "./progress.ts";
import { runQuery } from "./query.ts";
import { runScript, writeSlice } from "./script.ts";
import { columnStatistics, readOffsets } from "./slices.ts";
import { describeStatement } from "./statement.ts";

// A worker process: one DuckDB, jobs from the parent, answers to it. It ends with its parent.

let instance: DuckDBInstance | null = null;
let parsers: { readonly serialize: Converter; readonly deserialize: Converter } | null = null;
let spare: Promise<DuckDBConnection> | null = null;
const running = new Map<number, Interruptible>();

process.on("message", (message: ToWorker) => {
  switch (message.type) {
    case "setup":
      if (message.setup.role === "upkeep") setPriority(constants.priority.PRIORITY_LOW);
      openInstance(message.setup).then(
        async (opened) => {
          instance = opened;
          const connection = await opened.connect();
          parsers = {
            serialize: new Converter(connection, "SELECT json_serialize_sql(CAST($1 AS VARCHAR))"),
            deserialize: new Converter(connection, "SELECT json_deserialize_sql(CAST($1 AS JSON))"),
          };
          send({ type: "ready" });
        },
        (error: unknown) => send({ type: "broken", message: error instanceof Error ? error.message : String(error) }),
      );
      return;
    case "job":
      void answer(message.id, message.job);
      return;
    case "cancel":
      running.get(message.id)?.cancel();
      return;
  }
});
// The parent is gone. `process.exit` would wait for the thread of a running query, which may never end.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
// Ctrl-C in a terminal reaches the whole group: the parent stops us in order.
process.on("SIGINT", () => {});

function send(message: FromWorker): void {
  // A parent that has gone is told by `disconnect`.
  process.send?.(message, undefined, undefined, () => {});
}

async function answer(id: number, job: Job): Promise<void> {
  const interruptible = new Interruptible();
  running.set(id, interruptible);
  // Given back when the answer is out: freeing a query's memory takes milliseconds.
  using held = new DisposableStack();
  try {
    const tell = (fraction: number) => send({ type: "progress", id, fraction });
    send({ type: "done", id, result: await perform(job, interruptible, held, tell) });
  } catch (error) {
    const failure =
      error instanceof JobFailure
        ? error.failure
        : failureOf(error, "sql" in job && typeof job.sql === "string" ? job.sql : "");
    send({ type: "failed", id, failure });
  } finally {
    running.delete(id);
  }
}

async function perform(
  job: Job,
  interruptible: Interruptible,
  held: DisposableStack,
  tell: (fraction: number) => void,
): Promise<JobResults[keyof JobResults]> {
  if (instance === null || parsers === null)
    throw new JobFailure({ code: "internal", message: "The worker is not set up." });
  if (job.kind === "serialize") return await parsers.serialize.convert(job.sql);
  if (job.kind === "deserialize") return await parsers.deserialize.convert(job.tree);
  const connection = await takeConnection(instance);
  held.defer(() => connection.closeSync());
  switch (job.kind) {
    case "describe": {
      const { sql } = job;
      return await interruptible.on(connection, () => describeStatement(connection, sql));
    }
    case "query": {
      const query = { ...job, ...(await textOf(job.sql, parsers.deserialize)) };
      return await reporting(connection, tell, () => runQuery(connection, query, interruptible));
    }
    case "script":
      return await runScript(connection, job, interruptible);
    case "writeSlice":
      return await writeSlice(instance, connection, job, interruptible);
    case "hashes":
      return await (await import("./hash.ts")).hashFile(connection, job.path, job.physical, interruptible);
    case "columnStatistics":
      return await columnStatistics(connection, job.path, interruptible);
    case "offsets":
      return await readOffsets(connection, job.path, interruptible);
    case "writeCopy":
      return await (await import("./copy.ts")).writeCopy(connection, job.order, interruptible);
    case "rangeHashes":
      return await (await import("./hash-ranges.ts")).hashRanges(connection, job.order, interruptible);
    case "arrowToParquet":
      return await (await import("./arrow-read.ts")).arrowToParquet(connection, job.input, job.output, interruptible);
  }
}

/** DuckDB ends the text that it writes of a tree with a semicolon. */
async function textOf(
  sql: string | SqlTree,
  deserialize: Converter,
): Promise<Pick<TextQuery, "sql" | "isOneStatement">> {
  if (typeof sql === "string") return { sql, isOneStatement: false };
  return {
    sql: sql.head + (await deserialize.convert(sql.tree)).replace(/;\s*$/, ""),
    isOneStatement: sql.head === "",
  };
}

/** A connection serves one job, so that nothing of it is left to see; the next one is made ahead. */
async function takeConnection(opened: DuckDBInstance): Promise<DuckDBConnection> {
  const taken = spare ?? opened.connect().then(countProgress);
  spare = opened.connect().then(countProgress);
  return await taken;
}
