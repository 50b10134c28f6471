import type { z } from "zod";

/** The name of a declared thing. */
export interface ResourceName {
  readonly kind: string;
  /** null: it belongs to the organization. */
  readonly project: string | null;
  readonly name: string;
}

/** A kind of resource: what people may declare under its name. */
export interface Kind<Spec = unknown> {
  readonly kind: string;
  readonly scope: "organization" | "project";
  readonly schema: z.ZodType<Spec>;
  /** Members of the spec that cannot change once set. */
  readonly immutable?: readonly string[];
  /** Members of the spec that it has from the beginning or never. */
  readonly native?: readonly string[];
  /** Its spec holds hashes or sealed values: not for readers of the API, nor for events. */
  readonly internal?: boolean;
  /** Names that can never be deleted. */
  readonly permanent?: readonly string[];
  /** What becomes of it when one of its owners is deleted: that deletion is refused (the default), or it goes along. */
  readonly whenOwnerGoes?: "refuse" | "go";
  /** Refuses names beyond the common rule. @throws bad_name */
  checkName?(name: string): void;
  /** What it cannot be without, besides its project. */
  owners?(resource: {
    readonly project: string | null;
    readonly name: string;
    readonly spec: Spec;
  }): readonly ResourceName[];
}

/** `Dataset/web/access`, `Project//web`: one text a name, as the database and locks know it. */
export function addressOf({ kind, project, name }: ResourceName): string {
  return `${kind}/${project ?? ""}/${name}`;
}

/** For a person: `Dataset web/access`. */
export function describeName({ kind, project, name }: ResourceName): string {
  return project === null ? `${kind} ${name}` : `${kind} ${project}/${name}`;
}
