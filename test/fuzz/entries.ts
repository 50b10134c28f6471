import { formats, type SeedBodies, seedBodies } from "./bodies.ts";
import type { FuzzEntry } from "./campaign.ts";
import { configurationEntry } from "./entries/configuration.ts";
import { conversionEntry } from "./entries/conversion.ts";
import { doorsEntry } from "./entries/doors.ts";
import { manifestEntry, manifestTextEntry } from "./entries/manifests.ts";
import { odfEntry } from "./entries/odf.ts";
import { redisEntry } from "./entries/redis.ts";
import { rowsEntry } from "./entries/rows.ts";
import { sqlEntry } from "./entries/sql.ts";
import { wireEntry } from "./entries/wire.ts";
import { Target } from "./target.ts";

interface Opened {
  readonly seeds: SeedBodies;
  /** The running platform; started when first asked for. */
  target(): Promise<Target>;
  readonly held: AsyncDisposableStack;
}

const openers: Readonly<Record<string, (opened: Opened) => FuzzEntry | Promise<FuzzEntry>>> = {
  odf: odfEntry,
  configuration: async ({ held }) => held.use(await configurationEntry()),
  "manifests.text": manifestTextEntry,
  ...Object.fromEntries(
    formats.map((format) => [
      `convert.${format}`,
      async ({ seeds, held }: Opened) => held.use(await conversionEntry(format, seeds)),
    ]),
  ),
  "manifests.apply": async ({ target }) => manifestEntry(await target()),
  rows: async ({ target, seeds }) => rowsEntry(await target(), seeds),
  sql: async ({ target }) => sqlEntry(await target()),
  doors: async ({ target, seeds }) => await doorsEntry(await target(), seeds),
  wire: async ({ target }) => wireEntry(await target()),
  redis: async ({ target }) => await redisEntry(await target()),
};

export const entryNames: readonly string[] = Object.keys(openers);

export interface Entries extends AsyncDisposable {
  open(name: string): Promise<FuzzEntry>;
  /** Ends what the open entry alone has used. */
  close(): Promise<void>;
}

/** Opens entries one after another; those that need a running platform share one. */
export async function openEntries(): Promise<Entries> {
  const platform = new AsyncDisposableStack();
  let held = new AsyncDisposableStack();
  let running: Promise<Target> | null = null;
  const seeds = await seedBodies();
  const target = async () => {
    running ??= Target.start().then((started) => platform.use(started));
    await (await running).revive();
    return await running;
  };
  const close = async () => {
    await held.disposeAsync();
    held = new AsyncDisposableStack();
  };
  return {
    async open(name: string): Promise<FuzzEntry> {
      const opener = openers[name];
      if (opener === undefined) throw new Error(`there is no entry ${name}`);
      return await opener({ seeds, target, held });
    },
    close,
    async [Symbol.asyncDispose]() {
      await close();
      await platform.disposeAsync();
    },
  };
}
