import type { PlatformEvent } from "../../api/types.ts";
import { bytes, rowCount } from "../../design/format.ts";
import { kindName } from "../dataset/block.ts";

type Told = Readonly<Record<string, unknown>>;

/** What an event says, on one line, without what only programs read. */
export function toldOf({ type, data }: PlatformEvent): string {
  if (typeof data !== "object" || data === null || Array.isArray(data)) return String(data ?? "");
  const told = data as Told;
  switch (type) {
    case "dataset.committed":
      return committed(told);
    case "resource.applied":
    case "resource.deleted":
      return `generation ${text(told.generation)}, by ${text(told.by)}`;
    case "task.changed":
      return `${text(told.kind)} ${text(told.state)}`;
    default:
      return plain(told);
  }
}

function committed({ kind, rows, bytes: size, seq }: Told): string {
  const what = Number(rows) > 0 ? `+${rowCount(Number(rows))}, ${bytes(Number(size))}` : kindName(text(kind));
  return `${what}, block ${text(seq)}`;
}

/** Its plain members; ids and hashes are in all of it. */
function plain(told: Told): string {
  return Object.entries(told)
    .filter(([, value]) => value !== null && typeof value !== "object" && !isId(String(value)))
    .map(([name, value]) => `${name} ${String(value).slice(0, 60)}`)
    .join(" · ")
    .slice(0, 240);
}

const text = (value: unknown): string => (value === null || value === undefined ? "–" : String(value));
const isId = (value: string): boolean => /^(did:|f16|f9680)|^[0-9a-f]{8}-[0-9a-f]{4}-/.test(value);

/** What an event is of, short enough for a line: ids by their ends, by which they are told apart. */
export const subjectOf = (subject: string): string => (isId(subject) ? `…${subject.slice(-12)}` : subject);

/** The dataset that an event is of, where it names one. */
export function datasetOf({ type, subject }: PlatformEvent): { project: string; dataset: string } | null {
  const named = type.startsWith("dataset.")
    ? /^([^.:/]+)\.([^.:/]+)$/.exec(subject)
    : /^Dataset\/([^/]+)\/([^/]+)$/.exec(subject);
  const [, project, dataset] = named ?? [];
  return project === undefined || dataset === undefined || type === "resource.deleted" || type === "dataset.deleted"
    ? null
    : { project, dataset };
}
