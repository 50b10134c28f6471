import { datasetPath, MillraceError, type TraceId } from "../../../src/base/index.ts";
import type { IngestReceipt } from "../../../src/ingest/index.ts";
import type { Chance } from "../world/scheduler.ts";
import type { Machine } from "../world/world.ts";
import { ask, noted, type Scene } from "./client.ts";
import type { Sent } from "./model.ts";

const traceId = "0".repeat(32) as TraceId;

/** A client that pushes rows under idempotency keys, and sends again what was not answered, to any server, until it is. */
export async function pusher(scene: Scene, name: string, requests: number): Promise<void> {
  const { world } = scene;
  const chance = world.chance(name);
  const home = chance.pick(world.machines);
  for (let at = 1; at <= requests && !scene.isOver; at++) {
    await world.scheduler.sleep(chance.spread(5, 4_000));
    const key = `${name}.${at}`;
    const rows = rowsOf(key, chance);
    const wanted = { path: chance.pick(scene.paths), ack: chance.pick(["staged", "committed"] as const), chance };
    await pushUntilAnswered(scene, name, home, { key, ...rows, ...wanted });
  }
}

interface Push {
  readonly key: string;
  readonly good: readonly string[];
  readonly bad: readonly string[];
  /** A column beside the first that the good rows have; empty: none. */
  readonly column: string;
  readonly isLarge: boolean;
  readonly path: string;
  readonly ack: "staged" | "committed";
  readonly chance: Chance;
  readonly part?: { readonly source: string; readonly position: number };
}

async function pushUntilAnswered(scene: Scene, name: string, home: Machine, push: Push): Promise<void> {
  const { world, model } = scene;
  let sent: Sent | null = null;
  for (;;) {
    const machine = push.chance.happens(0.5) ? home : push.chance.pick(world.machines);
    const what = `pushes ${push.key} to ${push.path} at ${machine.name}`;
    const end = await noted(scene, name, what, () => attemptOn(machine), told);
    if (end === "answered" || end === "gone") return;
    // Who gives up never learns what became of it.
    if (push.part === undefined && push.chance.happens(0.02)) return;
    await world.scheduler.sleep(push.chance.spread(20, 5_000));
  }

  async function attemptOn(machine: Machine): Promise<"answered" | "gone"> {
    try {
      const receipt = await ask(scene, machine, 15_000, async (server, signal) => {
        const ref = await server.datasets.get(datasetPath(push.path));
        model.dataset(ref.id, push.path);
        sent ??= begin(ref.id);
        if (sent.datasetId !== ref.id) throw new MillraceError("dataset_not_found", "It is another one by now.");
        return await server.ingest.push(
          {
            dataset: ref,
            body: bodyOf(push),
            format: { kind: "ndjson" },
            encoding: "identity",
            by: name,
            traceId,
            ack: push.ack,
            ...(push.part === undefined
              ? { idempotencyKey: push.key }
              : { sourcePosition: { source: push.part.source, position: String(push.part.position), firstLine: 1 } }),
          },
          signal,
        );
      });
      if (sent !== null) model.acknowledge(sent, receipt);
      return "answered";
    } catch (error) {
      if (
        error instanceof MillraceError &&
        error.code === "dataset_not_found" &&
        (sent === null || !model.isAlive(sent.datasetId))
      )
        return "gone";
      throw error;
    }
  }

  function begin(datasetId: Sent["datasetId"]): Sent {
    const made: Sent = {
      ...{ key: push.key, datasetId, rows: push.good, bad: push.bad, acknowledged: "no", receipt: null },
    };
    model.sent.push(made);
    return made;
  }
}

const told = (end: string) => end;

/** A client that imports a source in parts, in order, to any server; now and then the same part to two at once. */
export async function importer(scene: Scene, name: string, parts: number): Promise<void> {
  const { world } = scene;
  const chance = world.chance(name);
  const path = chance.pick(scene.paths);
  const source = `import:${name}`;
  for (let position = 1; position <= parts && !scene.isOver; position++) {
    const key = `${name}.${position}`;
    const push: Push = { key, ...rowsOf(key, chance), path, ack: "committed", chance, part: { source, position } };
    const home = chance.pick(world.machines);
    await pushUntilAnswered(scene, name, home, push);
    await world.scheduler.sleep(chance.spread(1, 2_000));
  }
}

function rowsOf(key: string, chance: Chance): Pick<Push, "good" | "bad" | "column" | "isLarge"> {
  const count = chance.whole(1, 4);
  const good: string[] = [];
  const bad: string[] = [];
  for (let at = 1; at <= count; at++) {
    if (chance.happens(0.15)) bad.push(`${key}.${at}`);
    else good.push(`${key}.${at}`);
  }
  const column = chance.happens(0.03) ? `extra${chance.whole(1, 3)}` : "";
  return { good, bad, column, isLarge: chance.happens(0.01) };
}

async function* bodyOf({ good, bad, column, isLarge }: Push): AsyncIterable<Uint8Array> {
  // Now and then a body that is too large to be held: it goes through a file of its own.
  const room = isLarge ? `#${"x".repeat(1.1 * 2 ** 20)}\n` : "";
  const lines = [
    room,
    ...good.map((id) => `+${id}${column === "" ? "" : ` ${column}`}\n`),
    ...bad.map((id) => `${id}\n`),
  ];
  yield Buffer.from(lines.join(""));
}

export type { IngestReceipt };
