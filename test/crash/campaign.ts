import path from "node:path";
import { seededRandom } from "../../src/base/index.ts";
import { tempDirectory } from "../kit/folder.ts";
import type { Platform } from "../kit/platform.ts";
import { pause, Violation } from "./connection.ts";
import { defineDerivatives } from "./derivatives.ts";
import { ageLeftovers, checkEnd, checkGone } from "./end-state.ts";
import { Importer } from "./importer.ts";
import { CheckingReader } from "./reader.ts";
import type { Store } from "./store.ts";
import { Supervisor } from "./supervisor.ts";
import { kill, pickVictim, type Victim } from "./victims.ts";
import { NumberedWriter, type WriterOptions } from "./writer.ts";

export interface CampaignOptions {
  readonly kills: number;
  readonly seed: number;
  readonly store: Store;
  readonly importRows: number;
  readonly say: (line: string) => void;
}

export interface CampaignResult {
  readonly kills: Readonly<Partial<Record<Victim, number>>>;
  readonly rows: number;
  readonly imported: number;
  readonly reads: number;
  readonly repeated: number;
  readonly slowestStartMs: number;
}

const datasets = ["plain", "mixed", "large"] as const;
const writerKinds: readonly Omit<WriterOptions, "number" | "server">[] = [
  { dataset: "plain", ack: "staged", rowsPerBatch: 50, padding: 0, badLine: false, restMs: 0 },
  { dataset: "plain", ack: "committed", rowsPerBatch: 7, padding: 20, badLine: false, restMs: 10 },
  { dataset: "mixed", ack: "staged", rowsPerBatch: 1, padding: 0, badLine: true, restMs: 5 },
  { dataset: "mixed", ack: "committed", rowsPerBatch: 100, padding: 5, badLine: true, restMs: 30 },
  // Bodies beyond one MiB stand in files of their own beside the staging log.
  { dataset: "large", ack: "staged", rowsPerBatch: 3_000, padding: 400, badLine: false, restMs: 200 },
];

/**
 * Writers, an importing command line and checking readers on a real platform, of which processes are killed at random moments.
 * @throws Violation as soon as a reader sees what may not be, or at the end
 */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { kills, seed, store, say } = options;
  const random = seededRandom(seed);
  await using folder = await tempDirectory();
  const environment = store.kind === "s3" ? store.environment : {};
  await using supervisor = new Supervisor(path.join(folder.path, "data"), environment);
  await supervisor.start();
  const server = (): Platform | null => supervisor.platform;
  const writers = writerKinds.map((kind, number) => new NumberedWriter({ ...kind, number, server }));
  // What derivatives read must have its columns.
  for (const writer of writers.filter(({ options: { ack } }) => ack === "committed")) await writer.once();
  if (supervisor.platform !== null) await defineDerivatives(supervisor.platform);
  const readers = datasets.map((dataset) => new CheckingReader(dataset, writers, { server, restMs: 100 }));
  const importer = new Importer(path.join(folder.path, "numbers.ndjson"), options.importRows, server);
  let wrong: unknown = null;
  const load = [...writers, ...readers, importer].map((one) =>
    one.run().catch((error: unknown) => {
      wrong ??= error;
    }),
  );
  const killed: Partial<Record<Victim, number>> = {};
  try {
    for (let done = 0; done < kills && wrong === null; ) {
      await pause(30 + random.float() ** 2 * 1_500);
      const victim = pickVictim(random, store);
      if (!(await kill(victim, { supervisor, importer, store, random }))) continue;
      killed[victim] = (killed[victim] ?? 0) + 1;
      if (++done % 25 === 0) say(`${done} kills, ${writers.reduce((sum, one) => sum + one.acknowledgedRows, 0)} rows`);
    }
  } finally {
    for (const one of [...writers, ...readers, importer]) one.end();
  }
  if (wrong !== null) {
    importer.abandon();
    throw wrong;
  }
  await Promise.race([Promise.all(load), patience()]);
  if (wrong !== null) throw wrong;
  await checkEnd(supervisor, writers, readers, importer);
  await supervisor.stop();
  await ageLeftovers(supervisor.dataDirectory);
  await supervisor.start();
  // The store's leftovers go with its first write: a commit.
  await writers.find(({ options: { ack } }) => ack === "committed")?.once();
  await supervisor.stop();
  checkGone(supervisor.dataDirectory);
  return {
    kills: killed,
    rows: writers.reduce((sum, one) => sum + one.acknowledgedRows, 0),
    imported: importer.done,
    reads: readers.reduce((sum, one) => sum + one.reads, 0),
    repeated: writers.reduce((sum, one) => sum + one.repeated, 0),
    slowestStartMs: Math.round(Math.max(...supervisor.startsMs)),
  };
}

/** When nothing is killed any more, all that was begun comes to its end. */
async function patience(): Promise<void> {
  await pause(120_000);
  throw new Violation("writers or imports have not come to their end within two minutes of the last kill");
}
