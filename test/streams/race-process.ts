import path from "node:path";
import { silentTelemetry, systemClock } from "../../src/base/index.ts";
import { datasetId } from "../../src/datasets/index.ts";
import { connect } from "../../src/storage/index.ts";
import { PostgresLeases } from "../../src/streams/index.ts";
import { noLeases } from "./no-leases.ts";
import { openProcess, orderOf } from "./process.ts";

/**
 * Keeps transforms beside others; is told of commits, and tells of its runs that were committed. It ends with its parent. ORDER [LEASE_MS]:
 * without leases they race.
 */
const [text, leaseMs] = process.argv.slice(2);
const order = orderOf(text);
// Servers have disks of their own.
const stateDirectory = path.join(order.work, `states-${process.pid}`);
const leases =
  leaseMs === undefined
    ? noLeases
    : new PostgresLeases({
        sql: connect(order.postgresUrl, 1),
        clock: systemClock,
        log: silentTelemetry.log,
        holder: String(process.pid),
        leaseMs: Number(leaseMs),
      });
const transforms = await openProcess(
  order,
  { store: (store) => store, sql: (sql) => sql },
  { stateDirectory, leases, record: ({ dataset, seq }) => void process.send?.({ dataset, seq }) },
);
process.on("disconnect", () => process.exit(0));
process.on("message", (id) => transforms.committed({ datasetId: datasetId(String(id)) }));
await transforms.start();
process.send?.("ready");
