import { formatInstant } from "../../base/index.ts";
import type { MetadataBlock } from "./events.ts";

/** A block as ODF's JSON manifests write it: hashes as multibase text, times as ISO 8601. */
export function blockToJson(block: MetadataBlock): Record<string, unknown> {
  const { event } = block;
  const times =
    "newWatermark" in event && event.newWatermark !== undefined
      ? { newWatermark: formatInstant(event.newWatermark) }
      : {};
  return {
    systemTime: formatInstant(block.systemTime),
    prevBlockHash: block.prevBlockHash,
    sequenceNumber: block.sequenceNumber,
    event: { ...event, ...times },
  };
}
