import {
  insertChange,
  saveProgress,
  selectChange,
  selectChanges,
  selectProgress,
  selectWaiting,
} from "../../../src/resources/sql/mirror.ts";
import {
  deleteResources,
  insertResource,
  lockAddress,
  lockOwners,
  newestPosition,
  selectForChange,
  selectForDeletion,
  selectOwnedForDeletion,
  selectResource,
  selectResources,
  selectWhole,
  updateResource,
  updateStatus,
} from "../../../src/resources/sql/resources.ts";
import {
  continueAfter,
  countResources,
  deleteAddresses,
  deleteEverything,
  idleAsLongAsItTakes,
  lockResources,
  writeDefinitions,
} from "../../../src/resources/sql/restore.ts";
import { answered, counted, json, means, none, number, parsed, text, texts, time, timeOrNull } from "./statements.ts";
import { type LockMode, PostgresError, type Row } from "./transaction.ts";
import type { View } from "./view.ts";

export function knowDefinitions(): void {
  knowResources();
  knowMirror();
  knowRestore();
}

const positionKey = (position: number) => String(position).padStart(16, "0");

function knowMirror(): void {
  means(insertChange, (view, [position, address, body]) => {
    const key = positionKey(number(position));
    view.awaitWriter("resource_changes", key);
    if (view.get("resource_changes", key) !== undefined) throw new PostgresError("23505", "the position is taken");
    view.put("resource_changes", key, { position: number(position), address: text(address), body: text(body) });
    return counted(1);
  });
  means(selectChanges, (view, [limit]) => {
    const rows = view.rows("resource_changes").sort((a, b) => number(a.position) - number(b.position));
    return answered(rows.slice(0, number(limit)).map(({ position, body }) => ({ position: String(position), body })));
  });
  means(selectChange, (view, [position]) => {
    const found = view.get("resource_changes", positionKey(number(position)));
    return answered(found === undefined ? [] : [{ body: found.body }]);
  });
  means(selectWaiting, (view, [address]) => {
    const positions = view.rows("resource_changes").flatMap((row) => (row.address === address ? [row.position] : []));
    const newest = positions.length === 0 ? null : String(Math.max(...positions.map(number)));
    return answered([{ position: newest }]);
  });
  means(selectProgress, (view) => {
    const found = view.get("mirror_progress", "only");
    return answered(found === undefined ? [] : [{ position: String(found.position) }]);
  });
  means(saveProgress, (view, [upTo, position]) => {
    for (const [key, row] of view.all("resource_changes"))
      if (number(row.position) <= number(upTo)) view.delete("resource_changes", key);
    const before = number(view.get("mirror_progress", "only")?.position ?? 0);
    view.put("mirror_progress", "only", { position: Math.max(before, number(position)) });
    return counted(1);
  });
}

function knowResources(): void {
  means(lockAddress, (view, [address]) => {
    view.lock(`advisory ${text(address)}`, "update");
    return answered([{ pg_advisory_xact_lock: "" }]);
  });
  means(lockOwners, (view, [addresses]) => {
    const found = lockedRows(view, [...new Set(texts(addresses))].sort(), "key share");
    return answered(found.map(({ address }) => ({ address })));
  });
  means(selectForChange, (view, [address]) =>
    answered(lockedRows(view, [text(address)], "no key update").map(resourceRow)),
  );
  means(selectForDeletion, (view, [address]) => answered(lockedRows(view, [text(address)], "update").map(resourceRow)));
  means(selectOwnedForDeletion, (view, [owners]) => {
    const wanted = new Set(texts(owners));
    const owned = view.rows("resources").filter((row) => texts(row.owners).some((owner) => wanted.has(owner)));
    const addresses = owned.map((row) => text(row.address)).sort();
    return answered(lockedRows(view, addresses, "update").map(resourceRow));
  });
  means(selectResource, (view, [address]) => {
    const found = view.get("resources", text(address));
    return answered(found === undefined ? [] : [resourceRow(found)]);
  });
  means(selectResources, (view, [kind, , project, labels, afterProject, afterName, limit]) => {
    const wanted: [string, unknown][] = Object.entries(Object(JSON.parse(json(labels))));
    const found = view
      .rows("resources")
      .filter((row) => row.kind === kind && (project === null || row.project === project))
      .filter((row) => {
        const own: unknown = parsed(row.labels);
        return wanted.every(([name, value]) => Reflect.get(Object(own), name) === value);
      })
      .filter((row) => isBehind(row, text(afterProject), text(afterName)))
      .sort((a, b) => (isBehind(a, text(b.project), text(b.name)) ? 1 : -1));
    return answered(found.slice(0, number(limit)).map(resourceRow));
  });
  means(insertResource, (view, values) => {
    const [id, kind, project, name, generation, labels, spec, owners, created, updated, by] = values;
    const address = `${text(kind)}/${text(project)}/${text(name)}`;
    view.awaitWriter("resources", address);
    if (view.get("resources", address) !== undefined) throw new PostgresError("23505", "the address is taken");
    checkId(view, id, address);
    view.put("resources", address, {
      ...{ id, kind, project, name, address, status: "{}", owners: texts(owners), updated_by: text(by) },
      ...{ generation: number(generation), labels: json(labels), spec: json(spec) },
      ...{ created_at: time(created), updated_at: time(updated) },
    });
    return counted(1);
  });
  means(updateResource, (view, [generation, labels, spec, owners, updated, by, id]) => {
    const found = view.rows("resources").find((row) => row.id === id);
    if (found === undefined) return none;
    const changed = { generation: number(generation), labels: json(labels), spec: json(spec), owners: texts(owners) };
    view.put("resources", text(found.address), { ...found, ...changed, updated_at: time(updated), updated_by: by });
    return counted(1);
  });
  means(deleteResources, (view, [ids]) => {
    const wanted = new Set(texts(ids));
    const found = view.all("resources").filter(([, row]) => wanted.has(text(row.id)));
    for (const [key] of found) view.delete("resources", key);
    return counted(found.length);
  });
  means(updateStatus, (view, [status, address]) => {
    const found = view.get("resources", text(address));
    if (found === undefined) return none;
    view.put("resources", text(address), { ...found, status: json(status) });
    return counted(1);
  });
  means(selectWhole, (view) => {
    const rows = view.rows("resources").sort((a, b) => (text(a.address) < text(b.address) ? -1 : 1));
    return answered(rows.map(({ address, id, spec }) => ({ address, id, spec: parsed(spec) })));
  });
  means(newestPosition, (view) => {
    const newest = view.rows("events").reduce((most, row) => Math.max(most, number(row.position)), 0);
    return answered([{ position: String(newest) }]);
  });
}

function knowRestore(): void {
  means(idleAsLongAsItTakes, (view) => {
    view.neverIdle();
    return none;
  });
  means(lockResources, (view) => {
    view.lock("table resources", "update");
    return none;
  });
  means(countResources, (view) => answered([{ count: String(view.rows("resources").length) }]));
  means(deleteEverything, (view) => {
    for (const table of ["resource_changes", "resources"]) for (const [key] of view.all(table)) view.delete(table, key);
    return none;
  });
  means(writeDefinitions, (view, [rows]) => {
    const given: unknown = JSON.parse(json(rows));
    if (!Array.isArray(given)) throw new TypeError("these are no definitions");
    for (const row of given) {
      const { kind, project, name, labels, spec, created_at, updated_at, generation, id, owners, updated_by } = row;
      const address = `${kind}/${project}/${name}`;
      checkId(view, id, address);
      view.put("resources", address, {
        ...{ id, kind, project, name, address, owners, updated_by, status: "{}", generation },
        ...{ labels: JSON.stringify(labels), spec: JSON.stringify(spec) },
        ...{ created_at: time(created_at), updated_at: time(updated_at) },
      });
    }
    return counted(given.length);
  });
  means(deleteAddresses, (view, [addresses]) => {
    return counted(texts(addresses).filter((address) => view.delete("resources", address)).length);
  });
  means(continueAfter, (view, [position]) => {
    const last = Math.max(number(position), view.lastOf("events_position_seq"));
    view.setNext("events_position_seq", last);
    return answered([{ setval: String(last) }]);
  });
}

/** The rows of these addresses that are there, locked in their order. */
function lockedRows(view: View, addresses: readonly string[], mode: LockMode): Row[] {
  const found: Row[] = [];
  for (const address of addresses) {
    const row = view.get("resources", address);
    if (row === undefined) continue;
    view.lock(`resources ${address}`, mode);
    found.push(row);
  }
  return found;
}

/** An id belongs to one resource. */
function checkId(view: View, id: unknown, address: string): void {
  const other = view.rows("resources").find((row) => row.id === id && row.address !== address);
  if (other !== undefined) {
    view.awaitWriter("resources", text(other.address));
    throw new PostgresError("23505", "the id is taken");
  }
  view.lock(`resources id ${text(id)}`, "update");
}

function isBehind(row: Row, project: string, name: string): boolean {
  return text(row.project) > project || (row.project === project && text(row.name) > name);
}

function resourceRow(row: Row): Row {
  return {
    ...row,
    generation: String(row.generation),
    labels: parsed(row.labels),
    spec: parsed(row.spec),
    status: parsed(row.status),
    created_at: timeOrNull(row.created_at),
    updated_at: timeOrNull(row.updated_at),
  };
}
