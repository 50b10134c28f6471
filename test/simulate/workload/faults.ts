import type { Chance } from "../world/scheduler.ts";
import type { Machine, World } from "../world/world.ts";

/** Classes of faults; a run has some of them, so that what one hides another shows. */
export const faultKinds = [
  "crash",
  "power loss",
  "freeze",
  "clock jump",
  "full disk",
  "disk errors",
  "slow disk",
  "store failures",
  "store partition",
  "database failures",
  "database partition",
  "database restart",
  "index loss",
  "lost workers",
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Those that a seed has, without some. */
export function faultsOf(seed: number, chance: Chance, without: ReadonlySet<FaultKind>): FaultKind[] {
  const likely = chance.pick([0.15, 0.4, 0.8]);
  return faultKinds.filter((_kind) => chance.happens(likely)).filter((kind) => seed % 20 !== 0 && !without.has(kind));
}

/** Lets faults happen and pass until the time is over; each kind on its own, by its own chance. */
export async function letFaultsHappen(world: World, kinds: readonly FaultKind[], lastingMs: number): Promise<void> {
  const untilMs = world.scheduler.nowMs + lastingMs;
  await Promise.all(kinds.map((kind) => repeat(world, kind, untilMs)));
}

async function repeat(world: World, kind: FaultKind, untilMs: number): Promise<void> {
  const { scheduler } = world;
  const chance = world.chance(`fault ${kind}`);
  for (;;) {
    await scheduler.sleep(chance.spread(200, 25_000));
    if (scheduler.nowMs >= untilMs) return;
    const machine = chance.pick(world.machines);
    const leftMs = untilMs - scheduler.nowMs;
    const heal = happen(world, kind, machine, chance);
    await scheduler.sleep(Math.min(leftMs, chance.spread(20, mostMs(kind))));
    heal();
    world.trace.note(machine.name, `${kind} is over`);
  }
}

const mostMs = (kind: FaultKind) => (kind === "freeze" ? 60_000 : 15_000);

/** @returns ends it */
function happen(world: World, kind: FaultKind, machine: Machine, chance: Chance): () => void {
  const { platter, storeLink, databaseLink, rates } = machine;
  world.trace.note(machine.name, kind);
  switch (kind) {
    case "crash":
      world.kill(machine);
      return () => world.start(machine);
    case "power loss": {
      const gone = world.losePower(machine);
      return () => {
        for (const one of gone) world.start(one);
      };
    }
    case "freeze": {
      const { actor } = machine;
      actor.freeze();
      return () => actor.thaw(world.scheduler);
    }
    case "clock jump":
      machine.wall.skewMs += Math.round((chance.happens(0.5) ? 1 : -1) * chance.spread(10, 600_000));
      return () => {};
    case "full disk":
      platter.trouble.full = true;
      return () => {
        platter.trouble.full = false;
      };
    case "disk errors":
      platter.trouble.errors = chance.spread(0.005, 0.3);
      return () => {
        platter.trouble.errors = 0;
      };
    case "slow disk":
      platter.trouble.slowness = chance.spread(2, 400);
      return () => {
        platter.trouble.slowness = 1;
      };
    case "store failures":
      storeLink.failures = chance.spread(0.02, 0.5);
      storeLink.slowness = chance.spread(1, 50);
      return () => Object.assign(storeLink, { failures: 0, slowness: 1 });
    case "store partition":
      storeLink.down = true;
      return () => {
        storeLink.down = false;
      };
    case "database failures":
      rates.connectionBreaks = chance.spread(0.01, 0.3);
      databaseLink.slowness = chance.spread(1, 100);
      return () => {
        rates.connectionBreaks = 0;
        databaseLink.slowness = 1;
      };
    case "database partition":
      databaseLink.down = true;
      return () => {
        databaseLink.down = false;
      };
    case "database restart":
      world.database.goAway();
      return () => world.database.comeBack();
    case "index loss": {
      // The index of chains is a copy: what is gone of it is found in the store.
      const blocks = world.database.committed("chain_blocks");
      const kept = chance.pick([0, 0.5, 0.9]);
      for (const key of [...blocks.keys()]) if (!chance.happens(kept)) blocks.delete(key);
      if (chance.happens(0.5)) world.database.committed("chain_checkpoints").clear();
      return () => {};
    }
    case "lost workers":
      rates.workerLosses = chance.spread(0.05, 0.6);
      return () => {
        rates.workerLosses = 0;
      };
  }
}
