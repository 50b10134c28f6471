import type { Block } from "../../api/types.ts";

/** What a block of the chain says, as far as a timeline shows it. */
export interface BlockFacts {
  readonly seq: number;
  readonly hash: string;
  readonly at: string | null;
  readonly kind: string;
  readonly rows: number;
  readonly bytes: number;
  readonly quarantined: number;
  readonly by: string | null;
  readonly watermark: string | null;
  readonly source: { readonly kind: string; readonly name: string } | null;
}

type Json = Readonly<Record<string, unknown>>;
const object = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
const number = (value: unknown): number => (typeof value === "number" ? value : Number(value ?? 0) || 0);

/** Reads a block as the API tells it (an ODF metadata block); what is not there is null or nought. */
export function factsOf({ seq, hash, block }: Block): BlockFacts {
  const { systemTime, event: given } = object(block);
  const event = object(given);
  const data = object(event.newData);
  const interval = object(data.offsetInterval);
  const extra = object(event.extra);
  const state = object(event.newSourceState);
  return {
    seq,
    hash,
    at: text(systemTime),
    kind: text(event.kind) ?? "unknown",
    rows: interval.start === undefined ? 0 : number(interval.end) - number(interval.start) + 1,
    bytes: number(data.size),
    quarantined: number(object(extra["millrace.dev/quarantine"]).rows),
    watermark: text(event.newWatermark),
    by: text(extra["millrace.dev/by"]),
    source: event.newSourceState == null ? null : { kind: text(state.kind) ?? "", name: text(state.sourceName) ?? "" },
  };
}

const kinds: Readonly<Record<string, string>> = {
  Seed: "Dataset begins",
  SetDataSchema: "Schema",
  AddData: "Rows",
  ExecuteTransform: "Transform run",
  SetTransform: "Transform",
  SetVocab: "Vocabulary",
  SetInfo: "Description",
  SetAttachments: "Attachments",
  SetLicense: "Licence",
  AddPushSource: "Source",
  DisablePushSource: "Source ends",
  SetPollingSource: "Source",
  DisablePollingSource: "Source ends",
};

/** An event of the chain in a person's words; one that is not known by its own name. */
export const kindName = (kind: string): string => kinds[kind] ?? kind;

/** A hash as it is told apart by eye. */
export const shortHash = (hash: string): string => `${hash.slice(0, 5)}…${hash.slice(-8)}`;

/** How rows came: what a commit's source state says. */
export function sourceName({ kind, name }: { readonly kind: string; readonly name: string }): string {
  if (kind === "millrace/staged") return "pushed or uploaded";
  const file = /^import:([0-9a-f]{8})/.exec(name)?.[1];
  if (kind === "millrace/position") return file === undefined ? `imported from ${name}` : `imported file ${file}`;
  return name === "" ? kind : `${kind} ${name}`;
}
