import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { datasetsQuery } from "../../api/queries.ts";
import type { CatalogDataset } from "./editor/completion.ts";

const none: readonly CatalogDataset[] = [];

/** What can be asked for, with its columns. */
export function useCatalog(): {
  readonly datasets: readonly CatalogDataset[];
  readonly isPending: boolean;
  readonly error: unknown;
} {
  const { data, isPending, error } = useQuery(datasetsQuery);
  const datasets = useMemo(
    () =>
      data?.map(({ project, dataset, schema }) => ({
        project,
        dataset,
        columns: (schema ?? []).map(({ name, type }) => ({ name, type: typeText(type) })),
      })) ?? none,
    [data],
  );
  return { datasets, isPending, error };
}

/** A type of the dataset's schema in a word. */
function typeText(type: unknown): string {
  const { kind, inner } = (type ?? {}) as { readonly kind?: unknown; readonly inner?: unknown };
  if (kind === "Option") return typeText(inner);
  return typeof kind === "string" ? kind.toLowerCase() : "";
}
