import { useParams, useSearch } from "@tanstack/react-router";

const route = "/inside/datasets/$project/$dataset";

export interface Place {
  readonly project: string;
  readonly dataset: string;
  /** The block as of which everything is shown; without it, the newest. */
  readonly seq: number | undefined;
  /** What a link to another part keeps: the dataset and the time. */
  readonly keep: {
    readonly params: { readonly project: string; readonly dataset: string };
    readonly search: { readonly seq?: number };
  };
}

/** Which dataset is shown, and as of when. */
export function usePlace(): Place {
  const { project, dataset } = useParams({ from: route });
  const { seq } = useSearch({ from: route });
  return {
    project,
    dataset,
    seq,
    keep: { params: { project, dataset }, search: seq === undefined ? {} : { seq } },
  };
}

export const usePlaceSearch = () => useSearch({ from: route });
