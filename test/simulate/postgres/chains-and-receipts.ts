import {
  deleteAllBlocks,
  deleteBlocks,
  selectBlocks,
  selectHash,
  upsertBlocks,
} from "../../../src/datasets/chain-index/sql/blocks.ts";
import {
  deleteAllCheckpoints,
  deleteCheckpoint,
  selectChain,
  selectEnds,
  upsertCheckpoint,
} from "../../../src/datasets/chain-index/sql/checkpoints.ts";
import {
  deleteAllDatasets,
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
  answered,
  counted,
  inserted,
  Json,
  json,
  means,
  none,
  number,
  orNull,
  parsed,
  text,
  texts,
  time,
  timeOrNull,
} from "./statements.ts";
import { PostgresError, type Row } from "./transaction.ts";
import type { View } from "./view.ts";

const blockKey = (id: unknown, seq: number) => `${text(id)} ${String(seq).padStart(16, "0")}`;

function bytesOf(value: unknown): Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value);
  throw new TypeError("these are no bytes");
}

export function knowChainsAndReceipts(): void {
  means(upsertBlocks, (view, [rows]) => {
    let count = 0;
    for (const row of inserted(rows)) {
      const { dataset_id, seq, hash, bytes, statistics } = row;
      const key = blockKey(dataset_id, number(seq));
      const before = view.get("chain_blocks", key);
      if (before !== undefined && before.hash === hash && bytesOf(before.bytes).equals(bytesOf(bytes))) continue;
      const block = { dataset_id, seq: number(seq), hash: text(hash), bytes: bytesOf(bytes) };
      view.put("chain_blocks", key, { ...block, statistics: statistics instanceof Json ? json(statistics) : null });
      count++;
    }
    return counted(count);
  });
  means(selectHash, (view, [id, seq]) => {
    const found = view.get("chain_blocks", blockKey(id, number(seq)));
    const kept = view.get("chain_checkpoints", text(id));
    return answered([
      ...(found === undefined ? [] : [{ hash: found.hash }]),
      ...(kept === undefined || number(kept.seq) !== number(seq) ? [] : [{ hash: kept.head }]),
    ]);
  });
  means(selectEnds, (view, [id]) => {
    const kept = view.get("chain_checkpoints", text(id));
    const [newest] = blocksOf(view, id).sort((a, b) => number(b.seq) - number(a.seq));
    return answered([
      ...(kept === undefined ? [] : [{ seq: String(kept.seq), hash: kept.head }]),
      ...(newest === undefined ? [] : [{ seq: String(newest.seq), hash: newest.hash }]),
    ]);
  });
  means(selectBlocks, (view, [id, after, limit]) => {
    return answered(blocksBehind(view, id, number(after), number(limit)));
  });
  means(selectChain, (view, [id, , limit]) => {
    const kept = view.get("chain_checkpoints", text(id));
    const first = kept === undefined ? -1 : number(kept.seq);
    const blocks = blocksBehind(view, id, first, number(limit)).map((row) => ({ is_checkpoint: false, ...row }));
    if (kept === undefined) return answered(blocks);
    const { seq, head, bytes } = kept;
    const checkpoint = { seq: String(seq), hash: head, bytes: bytesOf(bytes), statistics: null };
    return answered([{ is_checkpoint: true, ...checkpoint }, ...blocks]);
  });
  means(upsertCheckpoint, (view, [id, seq, head, bytes]) => {
    const before = view.get("chain_checkpoints", text(id));
    if (before !== undefined && number(before.seq) > number(seq)) return none;
    const kept = { dataset_id: id, seq: number(seq), head: text(head), bytes: bytesOf(bytes) };
    view.put("chain_checkpoints", text(id), kept);
    const covered = blocksOf(view, id).filter((row) => number(row.seq) <= number(seq));
    for (const row of covered) view.delete("chain_blocks", blockKey(id, number(row.seq)));
    return counted(covered.length);
  });
  means(deleteCheckpoint, (view, [id]) => counted(view.delete("chain_checkpoints", text(id)) ? 1 : 0));
  means(deleteAllCheckpoints, (view) => deleteAll(view, "chain_checkpoints"));
  means(deleteBlocks, (view, [id]) => {
    const keys = blocksOf(view, id).map((row) => blockKey(id, number(row.seq)));
    return counted(keys.filter((key) => view.delete("chain_blocks", key)).length);
  });
  means(deleteAllBlocks, (view) => deleteAll(view, "chain_blocks"));
  knowNames();
  knowReceipts();
}

function blocksOf(view: View, id: unknown): Row[] {
  return view.rows("chain_blocks").filter((row) => row.dataset_id === id);
}

function blocksBehind(view: View, id: unknown, after: number, limit: number): Row[] {
  const found = blocksOf(view, id)
    .filter((row) => number(row.seq) > after)
    .sort((a, b) => number(a.seq) - number(b.seq))
    .slice(0, limit);
  return found.map(({ seq, hash, bytes, statistics }) => ({
    seq: String(seq),
    hash,
    bytes: bytesOf(bytes),
    statistics: orNull(statistics, parsed),
  }));
}

function deleteAll(view: View, table: string) {
  return counted(view.all(table).filter(([key]) => view.delete(table, key)).length);
}

function knowNames(): void {
  means(insertDatasets, (view, [rows]) => {
    let count = 0;
    for (const { id, project, name, created_at } of inserted(rows)) {
      const path = `${text(project)}.${text(name)}`;
      const isTaken = view.get("datasets", text(id)) ?? view.rows("datasets").find((row) => row.path === path);
      if (isTaken !== undefined) continue;
      view.lock(`datasets name ${path}`, "update");
      view.put("datasets", text(id), { id, project, name, path, created_at: time(created_at) });
      count++;
    }
    return counted(count);
  });
  means(selectDatasetByName, (view, [project, name]) => {
    const found = view.rows("datasets").find((row) => row.project === project && row.name === name);
    return answered(found === undefined ? [] : [datasetRow(found)]);
  });
  means(selectDatasets, (view, [, project, after, limit]) => {
    const found = view
      .rows("datasets")
      .filter((row) => (project === null || row.project === project) && text(row.path) > text(after))
      .sort((a, b) => (text(a.path) < text(b.path) ? -1 : 1));
    return answered((limit === null ? found : found.slice(0, number(limit))).map(datasetRow));
  });
  means(deleteDataset, (view, [id]) => counted(view.delete("datasets", text(id)) ? 1 : 0));
  means(deleteAllDatasets, (view) => deleteAll(view, "datasets"));
}

function datasetRow({ id, project, name, created_at }: Row): Row {
  return { id, project, name, created_at: timeOrNull(created_at) };
}

function knowReceipts(): void {
  means(insertIngest, (view, [id, datasetId, dataset, key, bodyHash, receipt, createdAt]) => {
    const row = { id, dataset_id: datasetId, dataset, key, body_hash: bodyHash, receipt: json(receipt), log_id: null };
    return insertReceipt(view, { ...row, created_at: time(createdAt) });
  });
  means(insertClaim, (view, [id, datasetId, dataset, key, logId, receipt, at]) => {
    const row = { id, dataset_id: datasetId, dataset, key, body_hash: null, receipt: json(receipt), log_id: logId };
    return insertReceipt(view, { ...row, created_at: time(at) });
  });
  means(moveClaim, (view, [to, receipt, at, from, logId]) => {
    const found = view.get("ingests", text(from));
    if (found === undefined || found.log_id !== logId) return none;
    if (to !== from && view.get("ingests", text(to)) !== undefined) throw new PostgresError("23505", "the id is taken");
    view.delete("ingests", text(from));
    view.put("ingests", text(to), { ...found, id: to, receipt: json(receipt), created_at: time(at) });
    return counted(1);
  });
  means(deleteClaim, (view, [id, logId]) => {
    if (view.get("ingests", text(id))?.log_id !== logId) return none;
    return counted(view.delete("ingests", text(id)) ? 1 : 0);
  });
  means(deleteOtherClaims, (view, [logId, held]) => {
    const kept = new Set(texts(held));
    const others = view.rows("ingests").filter((row) => row.log_id === logId && !kept.has(text(row.id)));
    return counted(others.filter((row) => view.delete("ingests", text(row.id))).length);
  });
  means(endClaim, (view, [receipt, bodyHash, id]) => {
    const found = view.get("ingests", text(id));
    if (found === undefined || found.log_id === null) return none;
    view.put("ingests", text(id), { ...found, receipt: json(receipt), body_hash: bodyHash, log_id: null });
    return counted(1);
  });
  means(selectIngest, (view, [id]) => {
    const found = view.get("ingests", text(id));
    return answered(found === undefined ? [] : [receiptRow(found)]);
  });
  means(selectIngestByKey, (view, [datasetId, key]) => {
    const found = byKey(view, datasetId, key);
    return answered(found === undefined ? [] : [receiptRow(found)]);
  });
  means(deleteOldIngests, (view, [before, most]) => {
    const old = view
      .rows("ingests")
      .filter((row) => number(row.created_at) < time(before) && row.log_id === null)
      .sort((a, b) => number(a.created_at) - number(b.created_at))
      .slice(0, number(most));
    for (const row of old) view.delete("ingests", text(row.id));
    return counted(old.length);
  });
}

/** ON CONFLICT DO NOTHING over the id and, where there is one, the dataset's key. */
function insertReceipt(view: View, row: Row) {
  const { id, dataset_id: datasetId, key } = row;
  const inTheWay = view.get("ingests", text(id)) ?? (key === null ? undefined : byKey(view, datasetId, key));
  if (inTheWay !== undefined) {
    view.awaitWriter("ingests", text(inTheWay.id));
    return none;
  }
  if (key !== null) view.lock(`ingests_key ${datasetId} ${key}`, "update");
  view.put("ingests", text(id), row);
  return counted(1);
}

function byKey(view: View, datasetId: unknown, key: unknown): Row | undefined {
  return view.rows("ingests").find((row) => row.dataset_id === datasetId && row.key === key);
}

function receiptRow({ id, receipt, body_hash, log_id }: Row): Row {
  return { id, receipt: parsed(receipt), body_hash, log_id };
}
