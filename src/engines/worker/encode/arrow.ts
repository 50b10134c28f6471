import * as arrow from "apache-arrow";
import { type ArrowColumn, arrowColumn } from "./arrow-columns.ts";
import type { Encoder } from "./encoder.ts";
import { typeName } from "./lines.ts";

const rowsAtOnce = 64 * 1024;
const bytesAtOnce = 32 << 20;

/** An Arrow IPC stream. Vectors are copied as they lie wherever Arrow lays values out as DuckDB does. */
export function arrowEncoder(write: (bytes: Uint8Array) => void): Encoder {
  let columns: ArrowColumn[] = [];
  let schema = new arrow.Schema([]);
  let waiting = 0;
  const writer = new arrow.RecordBatchStreamWriter();
  let drained = Promise.resolve();
  let failed: unknown = null;

  function flush(): void {
    const children = columns.map((column) => column.take(waiting));
    const type = new arrow.Struct(schema.fields);
    writer.write(new arrow.RecordBatch(schema, arrow.makeData({ type, length: waiting, nullCount: 0, children })));
    waiting = 0;
  }

  return {
    begin(given) {
      columns = given.map(({ type }) => arrowColumn(type));
      schema = new arrow.Schema(
        given.map(({ name, type }, i) => {
          // Arrow's own types say less: which texts are lists or JSON, which decimals are HUGEINT.
          const told = new Map([["millrace.type", typeName(type)]]);
          return new arrow.Field(name, columns[i]?.type ?? new arrow.Null(), true, told);
        }),
      );
      writer.reset(undefined, schema);
      // The writer's bytes leave while the next rows are fetched: a long result is never held as a whole.
      drained = (async () => {
        for await (const bytes of writer) {
          if (failed === null) {
            try {
              write(bytes);
            } catch (error) {
              failed = error;
            }
          }
        }
      })();
    },
    rows(chunk, rows) {
      if (failed !== null) throw failed;
      if (rows === 0) return;
      for (const [index, column] of columns.entries()) column.append(chunk, index, rows);
      waiting += rows;
      const bytes = columns.reduce((sum, column) => sum + column.sizeBytes, 0);
      if (waiting >= rowsAtOnce || bytes >= bytesAtOnce) flush();
    },
    async end() {
      if (waiting > 0) flush();
      writer.finish();
      await drained;
      if (failed !== null) throw failed;
    },
  };
}
