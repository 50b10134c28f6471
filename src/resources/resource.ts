import { z } from "zod";
import { type Instant, instant, type ProjectName, projectName, type ResourceId } from "../base/index.ts";
import type { Kind } from "./kind.ts";
import type { ResourceRow } from "./sql/resources.ts";

export interface Resource<Spec = unknown> {
  readonly id: ResourceId;
  readonly kind: string;
  readonly project: ProjectName | null;
  readonly name: string;
  /** Grows by one with each change of spec or labels; never reused under the name while it exists. */
  readonly generation: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: Spec;
  readonly status: Readonly<Record<string, unknown>>;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
  readonly updatedBy: string;
}

export interface ManifestInput {
  readonly kind: string;
  readonly project?: string | undefined;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly spec: unknown;
}

const labels = z.record(z.string(), z.string());
const status = z.record(z.string(), z.unknown());

export function resourceOf<Spec>(row: ResourceRow, kind: Kind<Spec>): Resource<Spec> {
  return {
    id: row.id as ResourceId, // made by this room alone
    kind: row.kind,
    project: row.project === "" ? null : projectName(row.project),
    name: row.name,
    generation: Number(row.generation),
    labels: labels.parse(row.labels),
    spec: kind.schema.parse(row.spec),
    status: status.parse(row.status),
    createdAt: instant(row.created_at.getTime()),
    updatedAt: instant(row.updated_at.getTime()),
    updatedBy: row.updated_by,
  };
}
