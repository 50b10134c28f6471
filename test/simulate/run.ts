import { datasetPath } from "../../src/base/index.ts";
import { emptyDatabase, rebuildDatabase } from "./drill.ts";
import { checkAll } from "./invariants.ts";
import { ask, type Scene } from "./workload/client.ts";
import { definer } from "./workload/definers.ts";
import { type FaultKind, faultKinds, faultsOf, letFaultsHappen } from "./workload/faults.ts";
import { keeper } from "./workload/keepers.ts";
import { Model, Violation } from "./workload/model.ts";
import { importer, pusher } from "./workload/pushers.ts";
import { reader } from "./workload/readers.ts";
import { registerWork, tasker } from "./workload/tasks.ts";
import { RealityGuard } from "./world/guard.ts";
import { Chance } from "./world/scheduler.ts";
import { type Plant, World } from "./world/world.ts";

export interface RunOptions {
  readonly seed: number;
  readonly plant?: Plant;
  /** Classes of faults that are left out. */
  readonly without?: ReadonlySet<FaultKind>;
  /** Also where everything held. */
  readonly keepTrace?: boolean;
}

export interface RunReport {
  readonly seed: number;
  /** Null where everything held. */
  readonly failure: string | null;
  readonly faults: readonly FaultKind[];
  readonly events: number;
  readonly simulatedMs: number;
  readonly traceHash: string;
  readonly trace: string;
}

/** How long the world may take to come to rest once faults are over. */
const patienceMs = 15 * 60_000;

/** One world from its seed: faults and clients for a while, then rest, then all that must hold. */
export async function run({ seed, plant, without = new Set(), keepTrace = false }: RunOptions): Promise<RunReport> {
  using guard = new RealityGuard();
  const shape = new Chance(seed, "shape");
  const storeKind = shape.happens(0.35) ? "folder" : "bucket";
  const world = new World({
    ...{ seed, storeKind, machines: shape.whole(1, 3), isLongLived: shape.happens(0.3), plant: plant ?? null },
    equip: (of, machine, server) => registerWork(of, machine, server),
  });
  const faults = faultsOf(seed, shape, without);
  const model = new Model();
  let failure: string | null = null;
  const unhandled = (error: unknown) => {
    failure ??= `a promise was rejected and nobody looked: ${told(error)}`;
  };
  process.on("unhandledRejection", unhandled);
  try {
    await world.scheduler.run(() => live(world, model, shape, faults));
    guard.check();
  } catch (error) {
    failure ??= told(error);
  } finally {
    // One real turn: Node tells of rejections that nobody took when its queues are empty.
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", unhandled);
  }
  const { events, nowMs } = world.scheduler;
  const counts = { seed, failure, faults, events, simulatedMs: nowMs };
  return { ...counts, traceHash: world.trace.hash(), trace: failure === null && !keepTrace ? "" : world.trace.text() };
}

/** The fewest classes of faults with which a seed still fails, left out one after the other. */
export async function reduce(seed: number, plant?: Plant): Promise<readonly FaultKind[]> {
  const planted = plant === undefined ? {} : { plant };
  const without = new Set<FaultKind>();
  for (const kind of faultKinds) {
    const less = new Set([...without, kind]);
    if ((await run({ seed, without: less, ...planted })).failure !== null) without.add(kind);
  }
  const { faults } = await run({ seed, without, ...planted });
  return faults;
}

function told(error: unknown): string {
  if (error instanceof Violation) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function live(world: World, model: Model, shape: Chance, faults: readonly FaultKind[]): Promise<void> {
  const scene: Scene = { world, model, isOver: false, paths: ["p.a", "p.b"] };
  for (const machine of world.machines) world.start(machine);
  await prepare(scene);
  const clients = clientsOf(scene, shape);
  const livingMs = shape.spread(5_000, 40_000);
  const saved = world.scheduler.sleep(shape.spread(100, livingMs)).then(() => world.database.backup());
  await Promise.all([world.scheduler.sleep(livingMs), letFaultsHappen(world, faults, livingMs)]);
  world.trace.note("world", "faults are over");
  for (const machine of world.machines) world.start(machine);
  scene.isOver = true;
  await rest(scene, clients);
  if (!shape.happens(0.2)) return;
  // PostgreSQL is lost whole, or put back to what it was; then life goes on.
  await rebuildDatabase(world, shape.happens(0.5) ? emptyDatabase() : await saved);
  model.tasks.clear();
  await checkAll(world, model);
  scene.isOver = false;
  await rest(scene, [pusher(scene, "later1", 4), pusher(scene, "later2", 4), tasker(scene, "later3", 3)]);
}

/** Clients come to their ends, everything settles, and all must hold. */
async function rest(scene: Scene, clients: readonly Promise<void>[]): Promise<void> {
  const { world, model } = scene;
  await soon(world, "clients have their answers", Promise.all(clients));
  await soon(world, "nothing waits any more", untilQuiet(world));
  await checkAll(world, model);
}

/** What all clients begin with, made in good times. */
async function prepare(scene: Scene): Promise<void> {
  const [first] = scene.world.machines;
  if (first === undefined) return;
  while (!first.isReady) await scene.world.scheduler.sleep(10);
  await ask(scene, first, 60_000, async ({ door }) => {
    await door.apply({ kind: "Project", name: "p", spec: {} }, { by: "setup" });
    for (const path of scene.paths)
      await door.apply({ kind: "Dataset", project: "p", name: datasetPath(path).dataset, spec: {} }, { by: "setup" });
  });
}

function clientsOf(scene: Scene, shape: Chance): Promise<void>[] {
  const some = (name: string, most: number, begin: (name: string) => Promise<void>) =>
    Array.from({ length: shape.whole(0, most) }, (_, at) => begin(`${name}${at + 1}`));
  return [
    ...some("push", 4, (name) => pusher(scene, name, 8)),
    ...some("import", 2, (name) => importer(scene, name, 6)),
    ...some("read", 1, (name) => reader(scene, name)),
    ...some("define", 1, (name) => definer(scene, name, 8)),
    ...some("task", 2, (name) => tasker(scene, name, 6)),
    ...(scene.world.options.isLongLived ? some("keep", 2, (name) => keeper(scene, name)) : []),
  ];
}

async function soon(world: World, what: string, end: Promise<unknown>): Promise<void> {
  let ended = false;
  await Promise.race([
    end.finally(() => {
      ended = true;
    }),
    world.scheduler.sleep(patienceMs),
  ]);
  if (!ended)
    throw new Violation(
      `faults are over for ${patienceMs / 60_000} minutes, and it does not hold that ${what}: ${waiting(world).join("; ")}`,
    );
  world.trace.note("world", what);
}

/** Until no server holds rows that are not committed, no task waits, and no definition waits for its copy. */
async function untilQuiet(world: World): Promise<void> {
  while (waiting(world).length > 0) await world.scheduler.sleep(200);
}

/** What is not done yet. */
function waiting(world: World): string[] {
  const servers = world.machines.flatMap(({ name, server, isReady }) => {
    const bytes = server?.ingest.pendingBytes ?? 0;
    return isReady ? (bytes > 0 ? [`${bytes} bytes staged at ${name}`] : []) : [`${name} is not ready`];
  });
  // The sweep of tomorrow waits for ever, and the collection of what was deleted for an hour.
  const tasks = [...world.database.committed("tasks").values()]
    .filter(
      ({ kind, state }) =>
        (kind === "work" || kind === "dataset.compact") && (state === "queued" || state === "running"),
    )
    .map((task) => `task ${JSON.stringify(task)}`);
  const changes = world.database.committed("resource_changes").size;
  return [...servers, ...tasks, ...(changes > 0 ? [`${changes} changes are not mirrored`] : [])];
}
