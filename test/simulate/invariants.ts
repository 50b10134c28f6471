import { type DatasetId, MillraceError } from "../../src/base/index.ts";
import { restoreDefinitions } from "../../src/resources/index.ts";
import { connectionLost, connectSimulated } from "./postgres/client.ts";
import { Database } from "./postgres/database.ts";
import { type Model, type Sent, Violation } from "./workload/model.ts";
import { readAll } from "./workload/readers.ts";
import { goodLink, Link } from "./world/link.ts";
import { asideLines } from "./world/rows.ts";
import { Actor } from "./world/scheduler.ts";
import type { Server } from "./world/server.ts";
import type { Machine, World } from "./world/world.ts";

const signal = new AbortController().signal;

/** Everything that must hold once faults are over and all is quiet. @throws Violation */
export async function checkAll(world: World, model: Model): Promise<void> {
  const { server, machine } = world.observer("observer");
  for (const [id, { path, deletion, committedTo }] of model.datasets) {
    const state = await stateOf(server, id);
    if (deletion === "done" && state === "there") throw new Violation(`${path} was deleted, and is there`);
    if (deletion === "none" && state === "gone") throw new Violation(`${path} is gone, and nobody deleted it`);
    if (state === "gone") continue;
    const rows = await readAll(server, world.diskOf(machine), id);
    model.read(id, rows, committedTo);
    await checkDataset(
      world,
      server,
      machine,
      model,
      id,
      rows.map((row) => row.id),
    );
  }
  await checkTasks(server, model);
  await checkMirror(world, server);
}

async function stateOf(server: Server, id: DatasetId): Promise<"there" | "gone"> {
  try {
    return (await server.datasets.head(id)).seq < 0 ? "gone" : "there";
  } catch (error) {
    if (error instanceof MillraceError && error.code === "dataset_not_found") return "gone";
    throw error;
  }
}

/** Rows sent are rows accepted and rows put aside: each once, a request's together, and where its receipt says. */
async function checkDataset(
  world: World,
  server: Server,
  machine: Machine,
  model: Model,
  id: DatasetId,
  rows: readonly string[],
): Promise<void> {
  const path = model.datasets.get(id)?.path ?? id;
  const report = await server.datasets.verify(id, { level: "logical", signal });
  if (!report.ok) throw new Violation(`${path} does not verify: ${report.broken?.object}: ${report.broken?.reason}`);
  const places = placesOf(rows, path);
  const aside = placesOf(await allAside(world, server, machine, id), `${path}'s quarantine`);
  let accounted = 0;
  for (const sent of model.sent) {
    if (sent.datasetId !== id) continue;
    const accepted = sent.rows.filter((row) => places.has(row)).length;
    const putAside = [...sent.bad, ...sent.rows.map(asSent)].filter((row) => aside.has(row)).length;
    const whole = sent.rows.length + sent.bad.length;
    const there = accepted + putAside;
    accounted += there;
    if (accepted > 0 && accepted < sent.rows.length)
      throw new Violation(`${accepted} of the ${sent.rows.length} good rows of ${sent.key} are in ${path}`);
    if (there !== 0 && there !== whole)
      throw new Violation(`${there} of the ${whole} rows of ${sent.key} are in ${path}`);
    if (there === 0 && sent.acknowledged !== "no")
      throw new Violation(`${sent.key} was acknowledged (${sent.acknowledged}), and its rows are not in ${path}`);
    if (accepted > 0) checkPlaces(sent, places, path);
  }
  if (accounted !== places.size + aside.size) throw new Violation(`${path} has rows that nobody sent`);
}

function placesOf(rows: readonly string[], where: string): Map<string, number> {
  const places = new Map<string, number>();
  for (const [offset, row] of rows.entries()) {
    const before = places.get(row);
    if (before !== undefined) throw new Violation(`${row} is in ${where} twice, at ${before} and at ${offset}`);
    places.set(row, offset);
  }
  return places;
}

function checkPlaces({ key, rows, receipt }: Sent, places: ReadonlyMap<string, number>, path: string): void {
  const [first] = rows;
  const start = first === undefined ? null : (places.get(first) ?? null);
  for (const [index, row] of rows.entries()) {
    if (places.get(row) !== (start ?? 0) + index)
      throw new Violation(`the rows of ${key} are not one behind the other in ${path}`);
  }
  if (receipt !== null && receipt.firstOffset !== start)
    throw new Violation(`${key} begins at offset ${start} of ${path}, and its receipt says ${receipt.firstOffset}`);
}

async function allAside(world: World, server: Server, machine: Machine, id: DatasetId): Promise<string[]> {
  const quarantines = await server.datasets.quarantines(id, (await server.datasets.head(id)).seq);
  await using open = await server.datasets.openSlices(id, quarantines);
  const raw: string[] = [];
  for (const file of open.paths) raw.push(...asideLines(await world.diskOf(machine).readFile(file)));
  return raw;
}

/** A good row as its line was, when its whole body was put aside. */
const asSent = (row: string) => `+${row}`;

async function checkTasks(server: Server, model: Model): Promise<void> {
  for (const [id, { cancelled, enqueued }] of model.tasks) {
    const task = (
      await server.queue.list({ project: null, state: null, kind: null, before: null, limit: 10_000 })
    ).find((one) => one.id === id);
    if (task === undefined) {
      if (enqueued) throw new Violation(`the task ${id} was taken on, and is gone`);
      continue;
    }
    if (cancelled && task.state !== "cancelled")
      throw new Violation(`the task ${id} was cancelled, and is ${task.state}`);
    if (task.state === "queued" || task.state === "running")
      throw new Violation(`the task ${id} is still ${task.state}: it does not come to an end`);
    if (task.attempts > task.maxAttempts) throw new Violation(`the task ${id} was tried ${task.attempts} times`);
  }
}

/** What the mirror says is what the database says: restored into an empty one, they are the same. */
async function checkMirror(world: World, server: Server): Promise<void> {
  const { scheduler } = world;
  const owner = new Actor("restored");
  const chance = world.chance("restored");
  const database = new Database(scheduler, chance);
  const quiet = { trouble: goodLink(), unknown: connectionLost, isAway: () => false, mostMs: 1, latestMs: 1 };
  const link = new Link({ scheduler, owner, chance, ...quiet });
  const sql = connectSimulated({ database, link, scheduler, owner, chance, connections: 5, breaks: () => 0 });
  await restoreDefinitions({ store: server.store, sql });
  const [ours, theirs] = [definitions(world.database), definitions(database)];
  for (const address of new Set([...ours.keys(), ...theirs.keys()])) {
    if (ours.get(address) !== theirs.get(address))
      throw new Violation(
        `the mirror has ${theirs.get(address) ?? "nothing"} of ${address}, and the database ${ours.get(address) ?? "nothing"}`,
      );
  }
}

function definitions(database: Database): Map<string, string> {
  const found = new Map<string, string>();
  for (const [address, row] of database.committed("resources")) {
    const { status: _status, ...definition } = row;
    found.set(address, JSON.stringify(Object.entries(definition).sort(([a], [b]) => (a < b ? -1 : 1))));
  }
  return found;
}
