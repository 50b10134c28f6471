import { expect, test } from "vitest";
import { fakeClock } from "../../../test/kit/index.ts";
import { type DatasetId, MillraceError, silentTelemetry } from "../../base/index.ts";
import type { Head, SourceState } from "../../datasets/index.ts";
import type { StagedEntry } from "../staging/log.ts";
import type { CommitRequest } from "./committer.ts";
import { DatasetWriter, type Waiting, type WriterPorts } from "./dataset-writer.ts";

/** A chain that says no more than what was committed of the log: the ingests of each commit, and the position. */
function chain() {
  const commits: string[][] = [];
  let position = 0;
  const sourceState = (sourceName: string): SourceState => ({ sourceName, kind: "test", value: String(position) });
  const head = { sourceState } as Head; // nothing else of it is asked here
  return {
    commits,
    /** As the committer does: what the chain has is a no-op, and the check decides. */
    commit({ batch, sourceState: state, check }: Omit<CommitRequest, "datasetId">) {
      if (position < Number(state.value)) {
        check?.(head);
        commits.push(batch.entries.map((entry) => entry.ingestId));
        position = Number(state.value);
      }
      return batch.entries.map(() => ({ seq: 1, block: "", firstOffset: 0, rows: 1, quarantined: 0, reasons: [] }));
    },
  };
}

function waiting(seq: number): Waiting {
  const header = { seq, ingestId: `i${seq}`, dataset: "a.b", bodyBytes: 1, spool: null, format: "", eventTime: null };
  const entry = { header, place: { segment: "", position: 0 } } as unknown as StagedEntry; // the writer reads no more
  return { entry, format: { kind: "ndjson" }, settle: Promise.withResolvers() };
}

function writerOn(commit: WriterPorts["commit"], finish: WriterPorts["finish"] = async () => {}) {
  const clock = fakeClock();
  const writer = new DatasetWriter("d" as DatasetId, {
    clock,
    telemetry: silentTelemetry,
    signal: new AbortController().signal,
    intervalMs: () => 100,
    open: async (batch) => ({
      ...{ workPath: "w", path: "p", headBytes: 0, close: async () => {} },
      entries: batch.map(({ entry }) => ({ ingestId: entry.header.ingestId }) as never),
    }),
    commit,
    quarantineWhole: () => Promise.reject(new Error("nothing is put aside here")),
    finish,
    drop: async () => {},
    sourceState: (seq) => ({ sourceName: "log", kind: "test", value: String(seq) }),
  });
  return { clock, writer };
}

test("rows of a commit whose answer was lost do not come again with those that arrived meanwhile", async () => {
  const { commits, commit } = chain();
  let tries = 0;
  const { clock, writer } = writerOn(async (request) => {
    const done = commit(request);
    if (++tries === 1) throw new MillraceError("unavailable", "The store did not answer.");
    return done;
  });
  const first = waiting(1);
  writer.add(first);
  await clock.advance(150);
  expect(commits).toEqual([["i1"]]);
  const second = waiting(2);
  writer.add(second);
  await clock.advance(10_000);
  expect(commits).toEqual([["i1"], ["i2"]]);
  await expect(Promise.all([first.settle.promise, second.settle.promise])).resolves.toMatchObject([
    { id: "i1" },
    { id: "i2" },
  ]);
});

test("whoever waits for a commit hears of it, also where its entry cannot leave the log", async () => {
  const { commit } = chain();
  const { clock, writer } = writerOn(
    async (request) => commit(request),
    () => Promise.reject(Object.assign(new Error("EIO"), { code: "EIO" })),
  );
  const first = waiting(1);
  writer.add(first);
  await clock.advance(150);
  await expect(first.settle.promise).resolves.toMatchObject({ state: "committed" });
});
