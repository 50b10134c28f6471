import type { DatasetPath, Instant } from "../../base/index.ts";

export interface ManifestInput {
  readonly kind: string;
  readonly project?: string | undefined;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly spec: unknown;
}
export interface ResourceRef {
  readonly kind: string;
  readonly project: string | null;
  readonly name: string;
}
export interface ResourceState extends ResourceRef {
  readonly id: string;
  readonly generation: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: unknown;
  readonly status: unknown;
  readonly createdAt: Instant;
  readonly updatedAt: Instant;
  readonly updatedBy: string;
}
export type ApplyOutcome = "created" | "updated" | "unchanged";

export interface Applied {
  readonly outcome: ApplyOutcome;
  readonly resource: ResourceState;
}

export interface ApplyOptions {
  readonly by: string;
  readonly expectedGeneration?: number;
  /** Whether who applies may read a dataset: a transform reads what its author may. Absent: none. */
  readonly mayRead?: (dataset: DatasetPath) => Promise<boolean>;
}

/** Resources by the name of their kind. Applying a Dataset makes its chain; deleting one ends it. */
export interface ResourceDoor {
  /** YAML (many documents) or JSON. @throws bad_manifest with position */
  parse(text: string): ManifestInput[];
  apply(input: ManifestInput, options: ApplyOptions): Promise<Applied>;
  /** The dataset of a Lookup's manifest; null where it is none, or is wrong. */
  lookupDataset(input: ManifestInput): DatasetPath | null;
  /** What applying these in turn would answer or throw; changes nothing. */
  rehearse(inputs: readonly ManifestInput[], options: ApplyOptions): Promise<readonly Applied[]>;
  diff(input: ManifestInput): Promise<readonly { path: string; before: unknown; after: unknown }[]>;
  get(ref: ResourceRef): Promise<ResourceState | null>;
  list(
    kind: string,
    filter: { project: string | null; labels: Readonly<Record<string, string>>; after: string | null; limit: number },
  ): Promise<readonly ResourceState[]>;
  delete(ref: ResourceRef, options: { by: string; expectedGeneration?: number }): Promise<void>;
}
