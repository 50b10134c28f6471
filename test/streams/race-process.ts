import path from "node:path";
import { datasetId } from "../../src/datasets/index.ts";
import { openProcess, orderOf } from "./process.ts";

/** Keeps transforms beside others; is told of commits, and tells of its runs that were committed. It ends with its parent. ORDER */
const order = orderOf(process.argv[2]);
// Servers that race have disks of their own.
const stateDirectory = path.join(order.work, `states-${process.pid}`);
const transforms = await openProcess(
  order,
  { store: (store) => store, sql: (sql) => sql },
  { stateDirectory, record: ({ dataset, seq }) => void process.send?.({ dataset, seq }) },
);
process.on("disconnect", () => process.exit(0));
process.on("message", (id) => transforms.committed({ datasetId: datasetId(String(id)) }));
await transforms.start();
process.send?.("ready");
