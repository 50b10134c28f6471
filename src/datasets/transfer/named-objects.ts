import type { Multihash } from "../../slices/index.ts";
import { readNotes } from "../chain/extra.ts";
import type { DatasetKeys } from "../chain/keys.ts";
import type { StoredBlock } from "../chain/stored-block.ts";
import type { DataSlice, MetadataEvent } from "../odf/index.ts";
import { refused } from "./refusals.ts";

/** Folders of what blocks name: ODF's two, and ours for rows that could not be read. */
export type ObjectPart = "data" | "checkpoints" | "quarantine";

export interface NamedObject {
  readonly part: ObjectPart;
  readonly hash: Multihash;
  readonly sizeBytes: number;
}

/** The objects that a block's event names. @throws chain_broken on notes of ours that cannot be read */
export function namedObjects(event: MetadataEvent): readonly NamedObject[] {
  if (event.kind !== "AddData" && event.kind !== "ExecuteTransform") return [];
  const objects: NamedObject[] = [];
  const { newData, newCheckpoint } = event;
  if (newData !== undefined) objects.push({ part: "data", hash: newData.physicalHash, sizeBytes: newData.size });
  if (newCheckpoint !== undefined)
    objects.push({ part: "checkpoints", hash: newCheckpoint.physicalHash, sizeBytes: newCheckpoint.size });
  const quarantine = event.kind === "AddData" ? readNotes(event).quarantine : undefined;
  if (quarantine !== undefined)
    objects.push({ part: "quarantine", hash: quarantine.physicalHash, sizeBytes: quarantine.size });
  return objects;
}

/** The slice that a block adds. */
export function dataOf({ block: { event } }: StoredBlock): DataSlice | undefined {
  return event.kind === "AddData" || event.kind === "ExecuteTransform" ? event.newData : undefined;
}

/** Of a block of another platform. @throws replica_refused where its notes cannot be read */
export function namesOf({ seq, block }: StoredBlock): readonly NamedObject[] {
  try {
    return namedObjects(block.event);
  } catch (cause) {
    throw refused(`the notes of block ${seq} cannot be read`, cause);
  }
}

export function objectKey(keys: DatasetKeys, part: ObjectPart, hash: Multihash): string {
  switch (part) {
    case "data":
      return keys.data(hash);
    case "checkpoints":
      return keys.checkpoint(hash);
    case "quarantine":
      return keys.quarantine(hash);
  }
}
