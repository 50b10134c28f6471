import { z } from "zod";
import { MillraceError } from "../../base/index.ts";
import { type Multihash, multihash } from "../../slices/index.ts";
import type { AddData } from "../odf/index.ts";

/** What Millrace adds to ODF's AddData, in its attributes (RFC 016 allows any under a domain). */
const attributes = {
  quarantine: "millrace.dev/quarantine",
  ingests: "millrace.dev/ingests",
  by: "millrace.dev/by",
} as const;

/** Rows that could not be read, in an object of their own, committed by the same block. */
export interface QuarantineSlice {
  readonly physicalHash: Multihash;
  readonly rows: number;
  readonly size: number;
}

/** A request's share of a commit: offsets `firstOffset` to `firstOffset + rows - 1`. */
export interface IngestShare {
  readonly id: string;
  readonly firstOffset: number;
  readonly rows: number;
  readonly quarantined: number;
}

export interface CommitNotes {
  readonly by?: string;
  readonly quarantine?: QuarantineSlice;
  /** At most 1,000. */
  readonly ingests?: readonly IngestShare[];
}

const count = z.int().min(0);
const shape = z.object({
  [attributes.by]: z.string().exactOptional(),
  [attributes.quarantine]: z
    .object({ physicalHash: z.string().transform(multihash), rows: count, size: count })
    .exactOptional(),
  [attributes.ingests]: z
    .array(z.tuple([z.string(), count, count, count]))
    .max(1_000)
    .exactOptional(),
});

export function writeNotes(notes: CommitNotes): Record<string, unknown> {
  return {
    ...(notes.by === undefined ? {} : { [attributes.by]: notes.by }),
    ...(notes.quarantine === undefined ? {} : { [attributes.quarantine]: notes.quarantine }),
    ...(notes.ingests === undefined
      ? {}
      : {
          [attributes.ingests]: notes.ingests.map((share) => [
            share.id,
            share.firstOffset,
            share.rows,
            share.quarantined,
          ]),
        }),
  };
}

/** Reads them back; a block of another node has none. @throws chain_broken on notes of ours that cannot be read */
export function readNotes(event: AddData): CommitNotes {
  const parsed = shape.safeParse(event.extra ?? {});
  if (!parsed.success)
    throw new MillraceError("chain_broken", "The block's notes cannot be read.", {
      data: { reason: "its notes are broken" },
    });
  const { [attributes.by]: by, [attributes.quarantine]: quarantine, [attributes.ingests]: ingests } = parsed.data;
  return {
    ...(by === undefined ? {} : { by }),
    ...(quarantine === undefined ? {} : { quarantine }),
    ...(ingests === undefined
      ? {}
      : { ingests: ingests.map(([id, firstOffset, rows, quarantined]) => ({ id, firstOffset, rows, quarantined })) }),
  };
}
