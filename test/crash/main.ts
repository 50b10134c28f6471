import process from "node:process";
import { parseArgs } from "node:util";
import { startS3Server } from "../kit/s3-server.ts";
import { runCampaign } from "./campaign.ts";
import type { Store } from "./store.ts";

// npm run test:crash -- [--kills N] [--store directory|s3] [--seed S]
const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "300" },
    store: { type: "string", default: "directory" },
    seed: { type: "string" },
  },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000_000);
const say = (line: string) => process.stdout.write(`${line}\n`);
say(`crashes with seed ${seed}, objects in ${values.store === "s3" ? "S3" : "a directory"}`);
await using held = new AsyncDisposableStack();
let store: Store = { kind: "directory" };
if (values.store === "s3") {
  const server = held.use(await startS3Server());
  store = { kind: "s3", server, environment: server.environment(await server.bucket()) };
}
const startedMs = performance.now();
const result = await runCampaign({ kills: Number(values.kills), seed, store, importRows: 200_000, say });
say(JSON.stringify(result));
say(`nothing lost, doubled or invented in ${Math.round((performance.now() - startedMs) / 1_000)} s`);
