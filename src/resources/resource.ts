import { z } from "zod";
import { type Instant, instant, MillraceError, type ProjectName, projectName, type ResourceId } from "../base/index.ts";
import type { JSONValue } from "../storage/index.ts";
import type { Kind } from "./kind.ts";
import type { Locate } from "./manifests.ts";
import type { ResourceRow } from "./sql/resources.ts";

export interface Resource<Spec = unknown> {
  readonly id: ResourceId;
  readonly kind: string;
  readonly project: ProjectName | null;
  readonly name: string;
  /** Begins at 1 and grows by one with each change of spec or labels. A name made anew begins anew, under another id. */
  readonly generation: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: Spec;
  /** What machines have made of it. Not part of the definition: neither generation nor mirror know it. */
  readonly status: Readonly<Record<string, unknown>>;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
  readonly updatedBy: string;
}

export interface ManifestInput {
  readonly kind: string;
  readonly project?: string | undefined;
  readonly name: string;
  /** Absent: labels stay as they are. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly spec: unknown;
  /** Where a member stands in the text that it was read from. */
  readonly locate?: Locate | undefined;
}

/** A change as the mirror keeps it: all that a definition is. */
export const definitionShape = z.object({
  id: z.string(),
  kind: z.string(),
  project: z.string(),
  name: z.string(),
  generation: z.int(),
  labels: z.record(z.string(), z.string()),
  spec: z.json(),
  owners: z.array(z.string()),
  createdAt: z.int(),
  updatedAt: z.int(),
  updatedBy: z.string(),
});
export interface Definition {
  readonly id: string;
  readonly kind: string;
  readonly project: string;
  readonly name: string;
  readonly generation: number;
  readonly labels: Record<string, string>;
  readonly spec: JSONValue;
  readonly owners: string[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly updatedBy: string;
}

const labels = z.record(z.string(), z.string());
const status = z.record(z.string(), z.unknown());

/** @throws unsupported_version where the stored spec is of another version of the kind */
export function resourceOf<Spec>(row: ResourceRow, kind: Kind<Spec>): Resource<Spec> {
  const spec = kind.schema.safeParse(row.spec);
  if (!spec.success) {
    throw new MillraceError("unsupported_version", `This version cannot read the stored ${row.address}.`, {
      hint: "Was it written by a newer Millrace? Run that version or a later one.",
    });
  }
  return {
    id: row.id as ResourceId, // made by this room alone
    kind: row.kind,
    project: row.project === "" ? null : projectName(row.project),
    name: row.name,
    generation: Number(row.generation),
    labels: labels.parse(row.labels),
    spec: spec.data,
    status: status.parse(row.status),
    createdAt: instant(row.created_at.getTime()),
    updatedAt: instant(row.updated_at.getTime()),
    updatedBy: row.updated_by,
  };
}

/** The row that a definition would be, before it is written. */
export function rowOf(definition: Definition, before: ResourceRow | undefined): ResourceRow {
  const { createdAt, updatedAt, updatedBy, generation, ...same } = definition;
  return {
    ...same,
    address: `${definition.kind}/${definition.project}/${definition.name}`,
    generation: String(generation),
    status: before?.status ?? {},
    created_at: new Date(createdAt),
    updated_at: new Date(updatedAt),
    updated_by: updatedBy,
  };
}
