import { z } from "zod";
import type { Platform } from "../kit/platform.ts";
import { pause, request, Violation } from "./connection.ts";
import type { NumberedWriter } from "./writer.ts";

const answer = z.object({
  rows: z.array(
    z.object({
      writer: z.coerce.number(),
      n: z.coerce.number(),
      d: z.coerce.number(),
      lo: z.coerce.number(),
      hi: z.coerce.number(),
    }),
  ),
});

/**
 * Reads a dataset over and over while it is written and its server is killed. It must always see, of each writer, whole
 * batches from the first on without gap or double: all that were acknowledged before it asked, none that were not sent; and
 * never fewer than it saw before.
 */
export class CheckingReader {
  readonly #dataset: string;
  readonly #writers: readonly NumberedWriter[];
  readonly #server: () => Platform | null;
  readonly #restMs: number;
  #isEnding = false;
  #seen = 0;
  reads = 0;

  constructor(
    dataset: string,
    writers: readonly NumberedWriter[],
    options: { readonly server: () => Platform | null; readonly restMs: number },
  ) {
    this.#dataset = dataset;
    this.#writers = writers.filter((writer) => writer.options.dataset === dataset);
    this.#server = options.server;
    this.#restMs = options.restMs;
  }

  end(): void {
    this.#isEnding = true;
  }

  async run(): Promise<void> {
    while (!this.#isEnding) {
      await this.look();
      await pause(this.#restMs);
    }
  }

  /** One look. @returns whether there was an answer. @throws Violation */
  async look(): Promise<boolean> {
    const before = new Map(this.#writers.map((writer) => [writer.options.number, writer.acknowledgedRows]));
    if ([...before.values()].every((rows) => rows === 0)) return false;
    const sql = `SELECT writer, count(*) AS n, count(DISTINCT number) AS d, min(number) AS lo, max(number) AS hi FROM crash.${this.#dataset} GROUP BY writer`;
    const reply = await request(this.#server(), "/api/v1/sql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ sql }),
    });
    if (reply.kind === "again") return false;
    const rows = new Map(answer.parse(JSON.parse(reply.text)).rows.map((row) => [row.writer, row]));
    for (const writer of this.#writers) {
      const { number, rowsPerBatch } = writer.options;
      const row = rows.get(number) ?? { n: 0, d: 0, lo: 0, hi: -1 };
      const shown = `crash.${this.#dataset}, writer ${number}: ${JSON.stringify(row)}`;
      if (row.n !== row.d || row.lo !== 0 || row.hi !== row.n - 1) throw new Violation(`a gap or a double: ${shown}`);
      if (row.n % rowsPerBatch !== 0) throw new Violation(`part of a batch of ${rowsPerBatch}: ${shown}`);
      const least = before.get(number) ?? 0;
      if (row.n < least) throw new Violation(`${least} rows were acknowledged: ${shown}`);
      if (row.n > writer.begunRows) throw new Violation(`only ${writer.begunRows} rows were sent: ${shown}`);
    }
    const total = [...rows.values()].reduce((sum, row) => sum + row.n, 0);
    if (total < this.#seen) throw new Violation(`crash.${this.#dataset} had ${this.#seen} rows, and has ${total}`);
    this.#seen = total;
    this.reads++;
    return true;
  }
}
