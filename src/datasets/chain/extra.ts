import { z } from "zod";
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

const quarantineShape = z.object({ physicalHash: z.string().transform(multihash), rows: z.number(), size: z.number() });
const ingestsShape = z.array(z.tuple([z.string(), z.number(), z.number(), z.number()]));

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

/** Reads them back; a block of another node has none. */
export function readNotes(event: AddData): CommitNotes {
  const by = event.extra?.[attributes.by];
  const quarantine = quarantineShape.safeParse(event.extra?.[attributes.quarantine]);
  const ingests = ingestsShape.safeParse(event.extra?.[attributes.ingests]);
  return {
    ...(typeof by === "string" ? { by } : {}),
    ...(quarantine.success ? { quarantine: quarantine.data } : {}),
    ...(ingests.success
      ? {
          ingests: ingests.data.map(([id, firstOffset, rows, quarantined]) => ({ id, firstOffset, rows, quarantined })),
        }
      : {}),
  };
}
