import { delay, type TaskId } from "../../../src/base/index.ts";
import type { Server } from "../world/server.ts";
import type { Machine, World } from "../world/world.ts";
import { ask, noted, type Scene } from "./client.ts";
import { Violation } from "./model.ts";

/** What every server can do: some work that takes a while, and fails now and then. */
export function registerWork(world: World, machine: Machine, server: Server): void {
  const chance = world.chance(`work ${machine.name} ${machine.starts}`);
  const clock = world.clockOf(machine);
  server.runner.register("work", async (task, { signal, progress }) => {
    const steps = chance.whole(1, 3);
    for (let done = 1; done <= steps; done++) {
      await delay(clock, chance.spread(20, 8_000), signal);
      await progress({ done, total: steps, text: null });
    }
    if (chance.happens(0.2)) throw new Error("the work went wrong");
    return { by: machine.name, attempt: task.attempts };
  });
}

/** A client that hands tasks to any server, looks at them and cancels some. */
export async function tasker(scene: Scene, name: string, tasks: number): Promise<void> {
  const { world, model } = scene;
  const chance = world.chance(name);
  for (let at = 1; at <= tasks && !scene.isOver; at++) {
    await world.scheduler.sleep(chance.spread(50, 6_000));
    const machine = chance.pick(world.machines);
    const key = chance.happens(0.3) ? { key: `k${chance.whole(1, 2)}` } : {};
    const enqueue = () =>
      ask(scene, machine, 10_000, (server) => server.queue.enqueue({ kind: "work", payload: { at }, ...key }));
    const task = await noted(scene, name, `enqueues ${at} at ${machine.name}`, enqueue, (made) => made.id);
    if (task === null) continue;
    model.tasks.set(task.id, { cancelled: model.tasks.get(task.id)?.cancelled ?? false, enqueued: true });
    if (chance.happens(0.5)) await cancelLater(task.id);
    await look(task.id);
  }

  async function cancelLater(id: TaskId): Promise<void> {
    await world.scheduler.sleep(chance.spread(10, 8_000));
    const machine = chance.pick(world.machines);
    const cancel = () => ask(scene, machine, 10_000, (server) => server.queue.cancel(id));
    const cancelled = await noted(scene, name, `cancels ${id} at ${machine.name}`, cancel, ({ state }) => state);
    if (cancelled !== null) model.tasks.set(id, { cancelled: true, enqueued: true });
  }

  async function look(id: TaskId): Promise<void> {
    const machine = chance.pick(world.machines);
    const cancelled = model.tasks.get(id)?.cancelled === true;
    const get = () => ask(scene, machine, 10_000, (server) => server.queue.get(id));
    const found = await noted(
      scene,
      name,
      `looks at ${id} at ${machine.name}`,
      async () => ({ task: await get() }),
      ({ task }) => task?.state ?? "absent",
    );
    if (found === null) return;
    if (found.task === null) throw new Violation(`the task ${id} was taken on, and is gone`);
    if (cancelled && found.task.state !== "cancelled")
      throw new Violation(`the task ${id} was cancelled, and is ${found.task.state}`);
  }
}
