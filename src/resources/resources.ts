import { z } from "zod";
import { type Clock, type IdSource, MillraceError, nearest, type Service } from "../base/index.ts";
import type { JSONValue, ObjectStore, Sql, TransactionSql } from "../storage/index.ts";
import type { Kind } from "./kind.ts";
import { explain } from "./manifests.ts";
import { Mirror } from "./mirror.ts";
import { type ManifestInput, type Resource, resourceOf } from "./resource.ts";
import {
  deleteResource,
  lockName,
  type ResourceRow,
  selectForUpdate,
  selectResource,
  selectResources,
  updateStatus,
  upsertResource,
} from "./sql/resources.ts";

/** The bus fits it: an event in the change's own transaction. */
export interface EventAppender {
  append(
    event: { type: string; subject: string; project?: string | null; data: JSONValue },
    transaction: TransactionSql,
  ): Promise<number>;
}

export interface ResourcesOptions {
  readonly sql: Sql;
  readonly store: ObjectStore;
  readonly events: EventAppender;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly kinds: readonly Kind[];
}

export interface ApplyOptions {
  readonly by: string;
  /** The generation that the caller saw; 0: it must not exist. */
  readonly expectedGeneration?: number;
  readonly dryRun?: boolean;
}

export interface Applied {
  readonly outcome: "created" | "updated" | "unchanged";
  readonly resource: Resource;
}

export interface Difference {
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface ResourceName {
  readonly kind: string;
  readonly project: string | null;
  readonly name: string;
}

const json: z.ZodType<JSONValue> = z.json();
const namePattern = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/;

/** What people declare. Every accepted change is one row, one event and one mirror object, in the same order. */
export class Resources implements Service {
  readonly name = "resources";
  readonly #options: ResourcesOptions;
  readonly #kinds: ReadonlyMap<string, Kind>;
  readonly #mirror: Mirror;

  constructor(options: ResourcesOptions) {
    this.#options = options;
    this.#kinds = new Map(options.kinds.map((kind) => [kind.kind, kind]));
    this.#mirror = new Mirror(options.sql, options.store);
  }

  /** Copies what a crash left uncopied. */
  async start(): Promise<void> {
    await this.#mirror.upTo(Number.MAX_SAFE_INTEGER);
  }

  async stop(): Promise<void> {}

  /** @throws bad_manifest */
  kind(name: string): Kind {
    const kind = this.#kinds.get(name);
    if (kind !== undefined) return kind;
    const known = [...this.#kinds.values()].filter((one) => one.internal !== true).map((one) => one.kind);
    const near = nearest(name, known);
    throw new MillraceError("bad_manifest", `There is no kind "${name.slice(0, 100)}".`, {
      hint: near === null ? `Kinds: ${known.join(", ")}.` : `Did you mean "${near}"?`,
    });
  }

  /**
   * Makes the declared thing so. @throws bad_manifest, precondition_failed (another generation), conflict, not_found (its
   * project), unavailable (accepted, but not mirrored yet)
   */
  async apply(input: ManifestInput, options: ApplyOptions): Promise<Applied> {
    const { sql, events, clock, ids } = this.#options;
    const checked = this.#check(input);
    const { applied, position } = await sql.begin(async (transaction) => {
      await lockName(transaction, checked.kind.kind, checked.project, input.name);
      const [row] = await selectForUpdate(transaction, checked.kind.kind, checked.project, input.name);
      const before = row === undefined ? null : resourceOf(row, checked.kind);
      this.#checkGeneration(before, options.expectedGeneration, input);
      if (before !== null) checkImmutable(checked.kind, before.spec, checked.spec);
      if (before === null) await this.#checkProject(transaction, checked.project);
      const labels = { ...(input.labels ?? before?.labels ?? {}) };
      if (before !== null && same(before.spec, checked.spec) && same(before.labels, labels)) {
        return { applied: { outcome: "unchanged", resource: before } satisfies Applied, position: null };
      }
      const now = new Date(clock.now());
      const stored = {
        id: before?.id ?? ids.uuid(),
        kind: checked.kind.kind,
        project: checked.project,
        name: input.name,
        generation: (before?.generation ?? 0) + 1,
        labels,
        spec: json.parse(checked.spec),
        createdAt: before === null ? now : new Date(before.createdAt),
        updatedAt: now,
        updatedBy: options.by,
      };
      if (options.dryRun === true) {
        const resource = { ...resourceOf(rowOf(stored), checked.kind), status: before?.status ?? {} };
        return {
          applied: { outcome: before === null ? "created" : "updated", resource } satisfies Applied,
          position: null,
        };
      }
      const [written] = await upsertResource(transaction, stored);
      if (written === undefined) throw new Error("the upsert returned no row");
      const at = await events.append(changeEvent("resource.applied", stored), transaction);
      const outcome = before === null ? "created" : "updated";
      return { applied: { outcome, resource: resourceOf(written, checked.kind) } satisfies Applied, position: at };
    });
    if (position !== null) await this.#mirror.upTo(position);
    return applied;
  }

  async get<Spec>(kind: Kind<Spec>, project: string | null, name: string): Promise<Resource<Spec> | null> {
    const [row] = await selectResource(this.#options.sql, kind.kind, project ?? "", name);
    return row === undefined ? null : resourceOf(row, kind);
  }

  /** In order of project and name, behind `after` (`project/name`). */
  async list<Spec>(
    kind: Kind<Spec>,
    filter: {
      project?: string | null;
      labels?: Readonly<Record<string, string>>;
      after?: string | null;
      limit?: number;
    } = {},
  ): Promise<Resource<Spec>[]> {
    const rows = await selectResources(this.#options.sql, {
      kind: kind.kind,
      project: filter.project ?? null,
      labels: { ...(filter.labels ?? {}) },
      after: filter.after ?? "",
      limit: filter.limit ?? 10_000,
    });
    return rows.map((row) => resourceOf(row, kind));
  }

  /** What applying would change, member by member. */
  async diff(input: ManifestInput): Promise<Difference[]> {
    const { kind, project, spec } = this.#check(input);
    const before = await this.get(kind, project, input.name);
    return [
      ...differences("spec", before?.spec, spec),
      ...(input.labels === undefined ? [] : differences("labels", before?.labels, input.labels)),
    ];
  }

  /** @throws not_found, precondition_failed */
  async delete(ref: ResourceName, options: { by: string; expectedGeneration?: number }): Promise<void> {
    const { sql, events, clock } = this.#options;
    const kind = this.kind(ref.kind);
    const position = await sql.begin(async (transaction) => {
      const [row] = await selectForUpdate(transaction, kind.kind, ref.project ?? "", ref.name);
      if (row === undefined) throw new MillraceError("not_found", `There is no ${ref.kind} ${nameOf(ref)}.`);
      const before = resourceOf(row, kind);
      this.#checkGeneration(before, options.expectedGeneration, { kind: ref.kind, name: ref.name });
      await deleteResource(transaction, kind.kind, ref.project ?? "", ref.name);
      const change = {
        id: before.id,
        kind: before.kind,
        project: ref.project ?? "",
        name: before.name,
        generation: before.generation + 1,
        labels: { ...before.labels },
        spec: json.parse(before.spec),
        createdAt: new Date(before.createdAt),
        updatedAt: new Date(clock.now()),
        updatedBy: options.by,
      };
      return await events.append(changeEvent("resource.deleted", change), transaction);
    });
    await this.#mirror.upTo(position);
  }

  /** What machines have made of it; changes neither generation nor mirror. */
  async setStatus(ref: ResourceName, status: Readonly<Record<string, JSONValue>>): Promise<void> {
    await updateStatus(this.#options.sql, ref.kind, ref.project ?? "", ref.name, { ...status });
  }

  #check(input: ManifestInput): { kind: Kind; project: string; spec: unknown } {
    const kind = this.kind(input.kind);
    if (!namePattern.test(input.name) || input.name.length > 255) {
      throw new MillraceError("bad_name", `"${input.name.slice(0, 100)}" is not a name for a ${input.kind}.`, {
        hint: 'Use lower-case letters, digits, and ".", "_", "-" between them.',
      });
    }
    if (kind.scope === "project" && !input.project) {
      throw new MillraceError("bad_manifest", `A ${input.kind} belongs to a project: say which.`, {
        hint: 'Add "project: NAME".',
      });
    }
    if (kind.scope === "organization" && input.project) {
      throw new MillraceError("bad_manifest", `A ${input.kind} belongs to the organization, not to a project.`);
    }
    const parsed = kind.schema.safeParse(input.spec);
    if (!parsed.success) {
      const known = kind.schema instanceof z.ZodObject ? Object.keys(kind.schema.shape) : [];
      throw new MillraceError(
        "bad_manifest",
        `The spec of ${input.kind} ${input.name} is wrong: ${explain(parsed.error, known)}`,
      );
    }
    return { kind, project: input.project ?? "", spec: parsed.data };
  }

  #checkGeneration(before: Resource | null, expected: number | undefined, input: { kind: string; name: string }): void {
    if (expected === undefined || expected === (before?.generation ?? 0)) return;
    const stands = before === null ? "it does not exist" : `it is at generation ${before.generation}`;
    throw new MillraceError(
      "precondition_failed",
      `${input.kind} ${input.name} is not at generation ${expected}: ${stands}.`,
      {
        hint: "Read it again, and apply your change to what you find.",
      },
    );
  }

  async #checkProject(transaction: TransactionSql, project: string): Promise<void> {
    if (project === "" || !this.#kinds.has("Project")) return;
    const [row] = await selectResource(transaction, "Project", "", project);
    if (row === undefined)
      throw new MillraceError("not_found", `There is no project ${project}.`, {
        hint: "Apply a Project of that name first.",
      });
  }
}

type Stored = Parameters<typeof upsertResource>[1];

function changeEvent(type: string, change: Stored) {
  const { createdAt, updatedAt, ...rest } = change;
  const subject =
    change.project === "" ? `${change.kind}/${change.name}` : `${change.kind}/${change.project}/${change.name}`;
  const data = { ...rest, createdAt: createdAt.getTime(), updatedAt: updatedAt.getTime() };
  return { type, subject, project: change.project === "" ? null : change.project, data };
}

function rowOf(stored: Stored): ResourceRow {
  return {
    ...stored,
    generation: String(stored.generation),
    status: {},
    created_at: stored.createdAt,
    updated_at: stored.updatedAt,
    updated_by: stored.updatedBy,
  };
}

function nameOf(ref: ResourceName): string {
  return ref.project === null ? ref.name : `${ref.project}/${ref.name}`;
}

function checkImmutable(kind: Kind, before: unknown, after: unknown): void {
  const [was, is] = [members(before), members(after)];
  for (const member of kind.immutable ?? []) {
    if (!same(was[member], is[member])) {
      throw new MillraceError("bad_manifest", `The member "${member}" of a ${kind.kind} cannot change.`, {
        hint: "Delete it and make it anew.",
      });
    }
  }
}

function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function differences(path: string, before: unknown, after: unknown): Difference[] {
  if (same(before, after)) return [];
  const [was, is] = [members(before), members(after)];
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  const nested = [before, after].every(
    (value) => value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value)),
  );
  return nested && names.length > 0
    ? names.flatMap((name) => differences(`${path}.${name}`, was[name], is[name]))
    : [{ path, before, after }];
}

/** Equal as JSON, whatever the order of members. */
function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([x], [y]) => (x < y ? -1 : 1)))
      : inner,
  );
}
