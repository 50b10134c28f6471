import type { Dataset, PlatformEvent } from "./types.ts";

interface Commit {
  readonly datasetId: string;
  readonly seq: number;
  readonly block: string;
  readonly kind: string;
  readonly rows: number;
  readonly bytes: number;
}

/**
 * A list of datasets after commits that the stream told of, in its order: so that a commit asks for no list of all. Null where the
 * list must be asked for: one of the datasets is not in it, its schema may have changed, or a commit before was not heard of.
 */
export function withCommits(list: readonly Dataset[], events: readonly PlatformEvent[]): Dataset[] | null {
  const changed = new Map<string, Dataset>();
  const wanted = new Set(events.map(({ subject }) => subject));
  for (const one of list) {
    const path = `${one.project}.${one.dataset}`;
    if (wanted.has(path)) changed.set(path, one);
  }
  for (const { subject, at, data } of events) {
    const before = changed.get(subject);
    if (before === undefined || !isCommit(data) || data.datasetId !== before.datasetId) return null;
    if (data.seq <= before.seq) continue; // the list was asked for behind it
    if (data.seq !== before.seq + 1 || data.kind !== "AddData") return null;
    changed.set(subject, {
      ...before,
      seq: data.seq,
      head: data.block,
      rows: before.rows + data.rows,
      bytes: before.bytes + data.bytes,
      slices: before.slices + (data.rows > 0 ? 1 : 0),
      nextOffset: before.nextOffset + data.rows,
      lastCommitAt: at,
    });
  }
  return list.map((one) => changed.get(`${one.project}.${one.dataset}`) ?? one);
}

function isCommit(data: unknown): data is Commit {
  const { datasetId, seq, block, kind, rows, bytes } = (data ?? {}) as Partial<Record<keyof Commit, unknown>>;
  return (
    [datasetId, block, kind].every((text) => typeof text === "string") &&
    [seq, rows, bytes].every((number) => typeof number === "number")
  );
}
