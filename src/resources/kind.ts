import type { z } from "zod";

/** A kind of resource: what people may declare under its name. */
export interface Kind<Spec = unknown> {
  readonly kind: string;
  readonly scope: "organization" | "project";
  readonly schema: z.ZodType<Spec>;
  /** Members of the spec that cannot change once set. */
  readonly immutable?: readonly string[];
  /** Hidden from readers of the API: its spec holds hashes or sealed values. */
  readonly internal?: boolean;
}
