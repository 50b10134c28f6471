import type { Platform } from "../kit/platform.ts";
import { pause, request } from "./connection.ts";

export interface WriterOptions {
  readonly number: number;
  readonly dataset: string;
  readonly ack: "staged" | "committed";
  readonly rowsPerBatch: number;
  /** Bytes of each row beside its numbers: large ones make bodies that go through files of their own. */
  readonly padding: number;
  /** A line of each batch that is no JSON, which must turn up in quarantine. */
  readonly badLine: boolean;
  readonly server: () => Platform | null;
  /** Rest between two batches. */
  readonly restMs: number;
}

/** Sends numbered rows, one batch after another, each again and again under its key until it is acknowledged. */
export class NumberedWriter {
  readonly options: WriterOptions;
  /** Batches that were acknowledged, and those that were begun. */
  acknowledged = 0;
  begun = 0;
  repeated = 0;
  #isEnding = false;

  constructor(options: WriterOptions) {
    this.options = options;
  }

  get acknowledgedRows(): number {
    return this.acknowledged * this.options.rowsPerBatch;
  }

  get begunRows(): number {
    return this.begun * this.options.rowsPerBatch;
  }

  /** Lets the batch under way be acknowledged, and begins no other. */
  end(): void {
    this.#isEnding = true;
  }

  async run(): Promise<void> {
    while (!this.#isEnding) {
      await this.once();
      await pause(this.options.restMs);
    }
  }

  /** One batch, until it is acknowledged. */
  async once(): Promise<void> {
    this.begun++;
    while (!(await this.#push(this.acknowledged))) {
      this.repeated++;
      await pause(20);
    }
    this.acknowledged++;
  }

  async #push(batch: number): Promise<boolean> {
    const { number, dataset, ack, server } = this.options;
    const reply = await request(server(), `/api/v1/projects/crash/datasets/${dataset}/rows?create=true&ack=${ack}`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson", "idempotency-key": `${number}-${batch}` },
      body: this.#body(batch),
    });
    return reply.kind === "answered";
  }

  #body(batch: number): string {
    const { number: writer, rowsPerBatch, padding, badLine } = this.options;
    const text = "x".repeat(padding);
    const rows = Array.from({ length: rowsPerBatch }, (_, at) =>
      JSON.stringify({ writer, number: batch * rowsPerBatch + at, text }),
    );
    if (badLine) rows.push(`{"writer":${writer},"batch":${batch}`);
    return `${rows.join("\n")}\n`;
  }
}
