import { z } from "zod";
import { type Instant, instant } from "../../base/index.ts";
import { type Multihash, multihash } from "../../slices/index.ts";
import { readNotes } from "../chain/extra.ts";
import type { MetadataBlock } from "../odf/index.ts";

/** What a chain amounts to behind one of its blocks. */
export interface Milestone {
  /** -1 before the first block. */
  readonly seq: number;
  readonly head: Multihash | null;
  readonly systemTime: Instant | null;
  readonly watermark: Instant | null;
  readonly nextOffset: number;
  /** Bytes of the slices as they were committed. */
  readonly bytes: number;
  readonly quarantined: number;
  /** How many schemas were set. */
  readonly schemas: number;
}

const count = z.int().min(0);
const time = z.int().transform(instant).nullable();

export const milestoneShape: z.ZodType<Milestone> = z.object({
  seq: z.int().min(-1),
  head: z.string().transform(multihash).nullable(),
  systemTime: time,
  watermark: time,
  nextOffset: count,
  bytes: count,
  quarantined: count,
  schemas: count,
});

export const start: Milestone = {
  seq: -1,
  head: null,
  systemTime: null,
  watermark: null,
  nextOffset: 0,
  bytes: 0,
  quarantined: 0,
  schemas: 0,
};

/** One block further. The block is known to fit: nothing is checked. */
export function advance(before: Milestone, head: Multihash, block: MetadataBlock): Milestone {
  const { event, systemTime, sequenceNumber: seq } = block;
  const next = { ...before, seq, head, systemTime };
  switch (event.kind) {
    case "SetDataSchema":
      return { ...next, schemas: before.schemas + 1 };
    case "AddData":
    case "ExecuteTransform": {
      const { newData, newWatermark } = event;
      const quarantine = event.kind === "AddData" ? readNotes(event).quarantine : undefined;
      return {
        ...next,
        watermark: newWatermark ?? before.watermark,
        nextOffset: newData === undefined ? before.nextOffset : newData.offsetInterval.end + 1,
        bytes: before.bytes + (newData?.size ?? 0),
        quarantined: before.quarantined + (quarantine?.rows ?? 0),
      };
    }
    default:
      return next;
  }
}
