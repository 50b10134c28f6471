import type { SqlParser } from "../compiler/index.ts";
import { type SelectText, TransformSelect } from "./select.ts";

const most = 32;

/** SELECTs read lately: one is read when it is declared and again when it is taken up, and what was read never changes. */
export class ReadSelects {
  readonly #read = new Map<string, TransformSelect>();

  /** @throws as `TransformSelect.read` */
  async read(said: SelectText, parser: SqlParser, signal: AbortSignal): Promise<TransformSelect> {
    const text = JSON.stringify([said.sql, said.key ?? []]);
    const known = this.#read.get(text) ?? (await TransformSelect.read(said, parser, signal));
    this.#read.delete(text);
    this.#read.set(text, known);
    for (const [oldest] of this.#read) if (this.#read.size > most) this.#read.delete(oldest);
    return known;
  }
}
