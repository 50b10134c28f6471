import type { DatasetId, DatasetPath } from "../../base/index.ts";

/** A copy by its id, and the name that its blocks wait under. */
export interface Copy {
  readonly id: DatasetId;
  readonly path: DatasetPath;
}
