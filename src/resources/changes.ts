import { type Clock, type IdSource, MillraceError } from "../base/index.ts";
import type { JSONValue, Statements } from "../storage/index.ts";
import { type Checked, checkImmutable } from "./checked.ts";
import { same } from "./difference.ts";
import { addressOf, describeName, type Kind, type ResourceName } from "./kind.ts";
import { type Definition, type ManifestInput, type Resource, resourceOf, rowOf } from "./resource.ts";
import { insertChange, selectWaiting } from "./sql/mirror.ts";
import {
  deleteResources,
  insertResource,
  lockAddress,
  lockOwners,
  type ResourceRow,
  selectForChange,
  selectForDeletion,
  selectOwnedForDeletion,
  selectResource,
  updateResource,
} from "./sql/resources.ts";

export interface ApplyOptions {
  readonly by: string;
  /** The generation that the caller saw; 0: it must not exist. */
  readonly expectedGeneration?: number;
}

export interface DeleteOptions {
  readonly by: string;
  readonly expectedGeneration?: number;
}

export interface Applied {
  readonly outcome: "created" | "updated" | "unchanged";
  readonly resource: Resource;
}

/** The bus fits it: an event in the change's own transaction. */
export interface EventAppender {
  append(
    event: { type: string; subject: string; project?: string | null; data: JSONValue },
    transaction: Statements,
  ): Promise<number>;
}

export type ChangeType = "resource.applied" | "resource.deleted";

/** The text of a mirror object. */
export function mirrorBody(type: ChangeType, change: Definition): string {
  return JSON.stringify({ version: 1, type, change });
}

/**
 * Changes of one transaction. Locks are taken in this order, so that changes wait for each other but never in a circle:
 * owners (by address), the name, its row, what it owns (by address), and at the end the order of events.
 */
export class Changes {
  readonly #sql: Statements;
  readonly #clock: Clock;
  readonly #ids: IdSource;
  readonly #kinds: ReadonlyMap<string, Kind>;
  readonly #check: (input: ManifestInput) => Checked;
  readonly #accepted: { type: ChangeType; definition: Definition; kind: Kind }[] = [];
  #waitFor = 0;

  constructor(options: {
    sql: Statements;
    clock: Clock;
    ids: IdSource;
    kinds: ReadonlyMap<string, Kind>;
    check: (input: ManifestInput) => Checked;
  }) {
    this.#sql = options.sql;
    this.#clock = options.clock;
    this.#ids = options.ids;
    this.#kinds = options.kinds;
    this.#check = options.check;
  }

  /** As the transaction sees it; nobody else applies it before the end. (No row lock: see the order of locks.) */
  async get<Spec>(kind: Kind<Spec>, project: string | null, name: string): Promise<Resource<Spec> | null> {
    const address = addressOf({ kind: kind.kind, project, name });
    await lockAddress(this.#sql, address);
    const [row] = await selectResource(this.#sql, address);
    return row === undefined ? null : resourceOf(row, kind);
  }

  /** @throws bad_manifest, bad_name, precondition_failed, not_found or dataset_not_found (an owner) */
  async apply(input: ManifestInput, options: ApplyOptions): Promise<Applied> {
    const checked = this.#check(input);
    const { kind, address } = checked;
    await this.#holdOwners(checked);
    await lockAddress(this.#sql, address);
    const [row] = await selectForChange(this.#sql, address);
    const before = row === undefined ? null : resourceOf(row, kind);
    checkGeneration(checked.ref, before, options.expectedGeneration);
    if (before !== null) checkImmutable(kind, before, checked, input);
    const labels = { ...(checked.labels ?? before?.labels ?? {}) };
    if (before !== null && same(row?.spec, checked.stored) && same(before.labels, labels)) {
      // Its last change may still wait for the mirror: who applies it again waits with it.
      const [waiting] = await selectWaiting(this.#sql, address);
      this.#waitFor = Math.max(this.#waitFor, Number(waiting?.position ?? 0));
      return { outcome: "unchanged", resource: before };
    }
    const now = this.#clock.now();
    const definition: Definition = {
      id: before?.id ?? this.#ids.uuid(),
      kind: kind.kind,
      project: checked.ref.project ?? "",
      name: checked.ref.name,
      generation: (before?.generation ?? 0) + 1,
      labels,
      spec: checked.stored,
      owners: checked.owners.map(addressOf),
      createdAt: before?.createdAt ?? now,
      updatedAt: now,
      updatedBy: options.by,
    };
    const written = { ...definition, at: new Date(now), by: options.by };
    if (before === null) await insertResource(this.#sql, written);
    else await updateResource(this.#sql, written);
    this.#accepted.push({ type: "resource.applied", definition, kind });
    const outcome = before === null ? "created" : "updated";
    return { outcome, resource: resourceOf(rowOf(definition, row), kind) };
  }

  /** With it goes what belongs to it, where its kind says so. @throws not_found, precondition_failed, conflict */
  async delete(ref: ResourceName, options: DeleteOptions): Promise<void> {
    const address = addressOf(ref);
    const kind = this.#kindOf(ref.kind);
    if (kind.permanent?.includes(ref.name) === true) {
      throw new MillraceError("conflict", `The ${describeName(ref)} is the platform's own and stays.`);
    }
    await lockAddress(this.#sql, address);
    const [row] = await selectForDeletion(this.#sql, address);
    if (row === undefined) throw absent(ref);
    checkGeneration(ref, resourceOf(row, kind), options.expectedGeneration);
    const going = [row];
    for (let found = [row]; found.length > 0; ) {
      found = [
        ...(await selectOwnedForDeletion(
          this.#sql,
          found.map((one) => one.address),
        )),
      ];
      const staying = found.find((one) => this.#kindOf(one.kind).whenOwnerGoes !== "go");
      if (staying !== undefined) throw stillOwned(ref, staying);
      found = found.filter((one) => going.every((known) => known.id !== one.id));
      going.push(...found);
    }
    await deleteResources(
      this.#sql,
      going.map((one) => one.id),
    );
    for (const gone of going.reverse()) {
      const definition = definitionOf(gone, this.#clock.now(), options.by);
      this.#accepted.push({ type: "resource.deleted", definition, kind: this.#kindOf(gone.kind) });
    }
  }

  /** Tells the events, at the end of the transaction: from here to the commit their order is ours alone. */
  async finish(events: EventAppender): Promise<{ waitFor: number; changed: ResourceName[] }> {
    for (const { type, definition, kind } of this.#accepted) {
      const event = eventOf(type, definition, kind);
      const position = await events.append(event, this.#sql);
      await insertChange(this.#sql, { position, address: addressOf(definition), body: mirrorBody(type, definition) });
      this.#waitFor = position;
    }
    const changed = this.#accepted.map(({ definition: { kind, project, name } }) => ({
      kind,
      project: project === "" ? null : project,
      name,
    }));
    return { waitFor: this.#waitFor, changed };
  }

  async #holdOwners({ owners }: Checked): Promise<void> {
    const known = owners.filter((owner) => this.#kinds.has(owner.kind));
    const held = new Set((await lockOwners(this.#sql, known.map(addressOf))).map((row) => row.address));
    const missing = known.find((owner) => !held.has(addressOf(owner)));
    if (missing !== undefined) throw absent(missing);
  }

  #kindOf(name: string): Kind {
    const kind = this.#kinds.get(name);
    if (kind !== undefined) return kind;
    throw new MillraceError("bad_manifest", `There is no kind "${name.slice(0, 100)}".`);
  }
}

/** Hashes and sealed values stay out of events: the spec of an internal kind is told to nobody. */
function eventOf(type: ChangeType, definition: Definition, kind: Kind) {
  const { id, project, name, generation, labels, spec, updatedBy } = definition;
  return {
    type,
    subject: describeAddress(definition),
    project: project === "" ? null : project,
    data: {
      id,
      kind: kind.kind,
      project,
      name,
      generation,
      labels,
      by: updatedBy,
      ...(kind.internal === true ? {} : { spec }),
    },
  };
}

function describeAddress({ kind, project, name }: Definition): string {
  return project === "" ? `${kind}/${name}` : `${kind}/${project}/${name}`;
}

function definitionOf(row: ResourceRow, at: number, by: string): Definition {
  const { kind, project, name } = row;
  return {
    id: row.id,
    kind,
    project,
    name,
    generation: Number(row.generation) + 1,
    labels: {},
    spec: {},
    owners: [],
    createdAt: row.created_at.getTime(),
    updatedAt: at,
    updatedBy: by,
  };
}

function checkGeneration(ref: ResourceName, before: Resource | null, expected: number | undefined): void {
  if (expected === undefined || expected === (before?.generation ?? 0)) return;
  const stands = before === null ? "it does not exist" : `it is at generation ${before.generation}`;
  const wanted = expected === 0 ? "is not new" : `is not at generation ${expected}`;
  throw new MillraceError("precondition_failed", `The ${describeName(ref)} ${wanted}: ${stands}.`, {
    hint: "Read it again, and apply your change to what you find.",
  });
}

function absent(ref: ResourceName): MillraceError {
  if (ref.kind === "Dataset") {
    return new MillraceError("dataset_not_found", `There is no dataset ${ref.project}.${ref.name}.`);
  }
  const hint = ref.kind === "Project" ? { hint: "Apply a Project of that name first." } : {};
  return new MillraceError("not_found", `There is no ${ref.kind.toLowerCase()} ${nameIn(ref)}.`, hint);
}

function nameIn(ref: ResourceName): string {
  return ref.project === null ? ref.name : `${ref.project}/${ref.name}`;
}

function stillOwned(ref: ResourceName, row: ResourceRow): MillraceError {
  const owned = { kind: row.kind, project: row.project === "" ? null : row.project, name: row.name };
  return new MillraceError("conflict", `The ${describeName(ref)} still has the ${describeName(owned)}.`, {
    hint: "Delete what belongs to it first.",
  });
}
