import { type DatasetId, datasetName, projectName } from "../../../src/base/index.ts";
import { insertEvent, lockEvents, selectEvents, selectEventsBack, selectNewest } from "../../../src/bus/sql/events.ts";
import { insertSubscription, selectSubscription, updateSubscription } from "../../../src/bus/sql/subscriptions.ts";
import { deleteBlocks, selectBlocks, selectHash, upsertBlocks } from "../../../src/datasets/chain-index/sql/blocks.ts";
import {
  deleteCheckpoint,
  selectChain,
  selectEnds,
  upsertCheckpoint,
} from "../../../src/datasets/chain-index/sql/checkpoints.ts";
import {
  deleteDataset,
  insertDatasets,
  selectDatasetByName,
  selectDatasets,
} from "../../../src/datasets/chain-index/sql/datasets.ts";
import {
  deleteClaim,
  deleteOldIngests,
  deleteOtherClaims,
  endClaim,
  insertClaim,
  insertIngest,
  moveClaim,
  selectIngest,
  selectIngestByKey,
} from "../../../src/ingest/sql/ingests.ts";
import {
  insertChange,
  saveProgress,
  selectChanges,
  selectProgress,
  selectWaiting,
} from "../../../src/resources/sql/mirror.ts";
import {
  deleteResources,
  insertResource,
  lockAddress,
  lockOwners,
  selectForChange,
  selectForDeletion,
  selectOwnedForDeletion,
  selectResource,
  selectResources,
  selectWhole,
  updateResource,
  updateStatus,
} from "../../../src/resources/sql/resources.ts";
import { countResources, deleteAddresses, writeDefinitions } from "../../../src/resources/sql/restore.ts";
import type { Statements } from "../../../src/storage/index.ts";
import {
  bringForward,
  cancelTask,
  claimTasks,
  endAttempt,
  insertTask,
  renewLeases,
  selectLiveByKey,
  selectTask,
  selectTasks,
  takeOver,
  updateProgress,
} from "../../../src/tasks/sql/tasks.ts";
import type { Chance } from "../world/scheduler.ts";

/** One statement of a room, with its values. */
export interface Step {
  readonly name: string;
  readonly run: (sql: Statements) => PromiseLike<readonly unknown[]>;
  /** Whether the order of its rows is nobody's promise. */
  readonly anyOrder?: boolean;
}

const uuid = (chance: Chance) => `00000000-0000-7000-8000-00000000000${chance.whole(0, 6)}`;
const at = (chance: Chance) => new Date(Date.parse("2030-01-01T00:00:00Z") + 1_000 * chance.whole(0, 20));

/** A step on the tables of tasks. */
export function taskStep(chance: Chance): Step {
  const [id, holder, attempt, now] = [uuid(chance), chance.pick(["h1", "h2"]), chance.whole(1, 3), at(chance)];
  const other = uuid(chance);
  const kind = chance.pick(["a", "b"]);
  const key = chance.pick([null, "k1", "k2"]);
  const task = {
    ...{ id, kind, key, project: chance.pick([null, "p"]), payload: { n: chance.whole(0, 9) }, deadline: null },
    ...{
      priority: chance.whole(0, 2),
      tokens: chance.whole(1, 3),
      maxAttempts: 2,
      notBefore: chance.pick([now, at(chance)]),
      createdAt: now,
    },
  };
  const page = {
    project: null,
    state: chance.pick([null, "queued"]),
    kind: null,
    before: null,
    limit: chance.whole(1, 9),
  };
  const claim = {
    kinds: ["a", "b"],
    tokens: chance.whole(1, 6),
    limit: chance.whole(1, 4),
    holder,
    now,
    leaseUntil: at(chance),
  };
  const state = chance.pick(["done", "queued", "failed"]);
  const farthest = new Date(now.getTime() + 1_000 * chance.whole(1, 10));
  const end = { id, holder, attempt, state, now, notBefore: now, result: { x: 1 }, error: null, outcome: "done" };
  return chance.pick<Step>([
    { name: "insertTask", run: (sql) => insertTask(sql, task) },
    { name: "insertTask", run: (sql) => insertTask(sql, task) },
    { name: "selectLiveByKey", run: (sql) => selectLiveByKey(sql, kind, key ?? "") },
    { name: "selectTask", run: (sql) => selectTask(sql, id) },
    { name: "selectTasks", run: (sql) => selectTasks(sql, page) },
    { name: "claimTasks", run: (sql) => claimTasks(sql, claim), anyOrder: true },
    { name: "renewLeases", run: (sql) => renewLeases(sql, holder, [id, other], now), anyOrder: true },
    { name: "takeOver", run: (sql) => takeOver(sql, now, farthest), anyOrder: true },
    { name: "bringForward", run: (sql) => bringForward(sql, now, farthest) },
    { name: "endAttempt", run: (sql) => endAttempt(sql, end) },
    { name: "cancelTask", run: (sql) => cancelTask(sql, id, now) },
    { name: "updateProgress", run: (sql) => updateProgress(sql, { id, holder, attempt }, { done: 1 }) },
  ]);
}

/** A step on the tables of chains and receipts. */
export function chainStep(chance: Chance): Step {
  const id = `d${chance.whole(1, 3)}` as DatasetId;
  const seq = chance.whole(0, 5);
  const block = { seq, hash: `h${chance.whole(1, 3)}`, bytes: Buffer.from(`b${chance.whole(1, 3)}`) };
  const rows = [{ ...block, statistics: chance.pick([null, [{ column: "a" }]]) }];
  const [project, name] = [chance.pick(["p", "q"]), chance.pick(["a", "b_c", "ab"])];
  const dataset = { id, project: projectName(project), name: datasetName(name), created_at: at(chance) };
  const key = chance.pick([null, "k1", "k2"]);
  const ingest = {
    id: `i${chance.whole(1, 6)}`,
    datasetId: id,
    dataset: "p.a",
    key,
    bodyHash: chance.pick([null, "x"]),
  };
  const [other, logId] = [`i${chance.whole(1, 6)}`, chance.pick(["l1", "l2"])];
  const claim = { id: ingest.id, datasetId: id, dataset: "p.a", key: key ?? "k3", logId, receipt: {}, at: at(chance) };
  const [most, few, now] = [chance.pick([null, 1, 2]), chance.whole(1, 3), at(chance)];
  const [among, after] = [chance.pick([null, "p"]), chance.pick(["", "p.a"])];
  return chance.pick<Step>([
    { name: "upsertBlocks", run: (sql) => upsertBlocks(sql, id, rows) },
    { name: "selectHash", run: (sql) => selectHash(sql, id, seq) },
    { name: "selectBlocks", run: (sql) => selectBlocks(sql, id, seq - 2, few) },
    { name: "selectEnds", run: (sql) => selectEnds(sql, id) },
    { name: "selectChain", run: (sql) => selectChain(sql, id, few) },
    {
      name: "upsertCheckpoint",
      run: (sql) => upsertCheckpoint(sql, id, { seq, head: block.hash, bytes: block.bytes }),
    },
    { name: "deleteCheckpoint", run: (sql) => deleteCheckpoint(sql, id) },
    { name: "deleteBlocks", run: (sql) => deleteBlocks(sql, id) },
    { name: "insertDatasets", run: (sql) => insertDatasets(sql, [dataset]) },
    { name: "selectDatasetByName", run: (sql) => selectDatasetByName(sql, project, name) },
    {
      name: "selectDatasets",
      run: (sql) => selectDatasets(sql, among, after, most),
    },
    { name: "deleteDataset", run: (sql) => deleteDataset(sql, id) },
    {
      name: "insertIngest",
      run: (sql) => insertIngest(sql, { ...ingest, receipt: { a: [1] }, createdAt: now }),
    },
    { name: "insertClaim", run: (sql) => insertClaim(sql, claim) },
    { name: "moveClaim", run: (sql) => moveClaim(sql, { from: ingest.id, to: other, logId, receipt: {}, at: now }) },
    { name: "deleteClaim", run: (sql) => deleteClaim(sql, ingest.id, logId) },
    { name: "deleteOtherClaims", run: (sql) => deleteOtherClaims(sql, logId, [ingest.id, other]) },
    { name: "endClaim", run: (sql) => endClaim(sql, { id: ingest.id, bodyHash: "x", receipt: { a: 2 } }) },
    { name: "selectIngest", run: (sql) => selectIngest(sql, ingest.id) },
    { name: "selectIngestByKey", run: (sql) => selectIngestByKey(sql, id, key ?? "") },
    { name: "deleteOldIngests", run: (sql) => deleteOldIngests(sql, now, 100) },
  ]);
}

/** A step on the tables of definitions and events. */
export function definitionStep(chance: Chance): Step {
  const [project, name] = [chance.pick(["", "p"]), chance.pick(["a", "b", "c"])];
  const kind = chance.pick(["Project", "Dataset"]);
  const address = `${kind}/${project}/${name}`;
  const other = `Dataset/p/${chance.pick(["a", "b"])}`;
  const [id, now, position] = [uuid(chance), at(chance), chance.whole(1, 9)];
  const content = {
    generation: chance.whole(1, 3),
    labels: { a: chance.pick(["1", "2"]) },
    spec: { n: 1 },
    owners: [other],
  };
  const row = { id, kind, project, name, ...content, at: now, by: "me" };
  const restored = {
    ...{ id, kind, project, name, ...content, updated_by: "me" },
    ...{ created_at: now.toISOString(), updated_at: now.toISOString() },
  };
  const page = { kind, project: chance.pick([null, "p"]), labels: chance.pick([{}, { a: "1" }]), limit: 5 };
  const types = chance.pick([null, ["t1"]]);
  const event = { type: chance.pick(["t1", "t2"]), subject: "s", project: null, data: { a: 1 } };
  return chance.pick<Step>([
    { name: "insertResource", run: (sql) => insertResource(sql, row) },
    { name: "insertResource", run: (sql) => insertResource(sql, row) },
    { name: "updateResource", run: (sql) => updateResource(sql, row) },
    { name: "deleteResources", run: (sql) => deleteResources(sql, [id]) },
    { name: "selectResource", run: (sql) => selectResource(sql, address) },
    { name: "selectResources", run: (sql) => selectResources(sql, { ...page, after: { project: "", name: "a" } }) },
    { name: "selectWhole", run: (sql) => selectWhole(sql) },
    { name: "selectForChange", run: (sql) => selectForChange(sql, address) },
    { name: "selectForDeletion", run: (sql) => selectForDeletion(sql, address) },
    { name: "selectOwnedForDeletion", run: (sql) => selectOwnedForDeletion(sql, [other]) },
    { name: "lockOwners", run: (sql) => lockOwners(sql, [address, other]) },
    { name: "lockAddress", run: (sql) => lockAddress(sql, address) },
    { name: "updateStatus", run: (sql) => updateStatus(sql, address, { s: 1 }) },
    { name: "insertChange", run: (sql) => insertChange(sql, { position, address, body: "b" }) },
    { name: "selectChanges", run: (sql) => selectChanges(sql, 3) },
    { name: "selectWaiting", run: (sql) => selectWaiting(sql, address) },
    { name: "saveProgress", run: (sql) => saveProgress(sql, position) },
    { name: "selectProgress", run: (sql) => selectProgress(sql) },
    { name: "countResources", run: (sql) => countResources(sql) },
    { name: "writeDefinitions", run: (sql) => writeDefinitions(sql, [restored]) },
    { name: "deleteAddresses", run: (sql) => deleteAddresses(sql, [address]) },
    { name: "lockEvents", run: (sql) => lockEvents(sql) },
    { name: "insertEvent", run: (sql) => insertEvent(sql, event) },
    { name: "selectEvents", run: (sql) => selectEvents(sql, position, 4, types) },
    { name: "selectEventsBack", run: (sql) => selectEventsBack(sql, position, 4, types) },
    { name: "selectNewest", run: (sql) => selectNewest(sql) },
    { name: "insertSubscription", run: (sql) => insertSubscription(sql, name, position) },
    { name: "selectSubscription", run: (sql) => selectSubscription(sql, name) },
    { name: "updateSubscription", run: (sql) => updateSubscription(sql, name, position) },
  ]);
}
