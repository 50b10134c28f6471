import type { DuckDBConnection, DuckDBPreparedStatement } from "@duckdb/node-api";

/**
 * One function from text to text, prepared once: preparing costs more than running it. Calls take turns, because they
 * share the statement's one set of bindings.
 */
export class Converter {
  readonly #connection: DuckDBConnection;
  readonly #sql: string;
  #prepared: DuckDBPreparedStatement | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  /** `sql` has the one parameter $1 and answers one text. */
  constructor(connection: DuckDBConnection, sql: string) {
    this.#connection = connection;
    this.#sql = sql;
  }

  convert(text: string): Promise<string> {
    const mine = this.#turn.then(() => this.#run(text));
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #run(text: string): Promise<string> {
    this.#prepared ??= await this.#connection.prepare(this.#sql);
    this.#prepared.bindVarchar(1, text);
    const result = await this.#prepared.run();
    return String(result.getChunk(0).getColumnVector(0).getItem(0));
  }
}
