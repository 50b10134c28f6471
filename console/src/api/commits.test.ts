import fc from "fast-check";
import { expect, test } from "vitest";
import { withCommits } from "./commits.ts";
import type { Dataset, PlatformEvent } from "./types.ts";

const dataset = (name: string): Dataset => ({
  datasetId: `id ${name}`,
  project: "web",
  dataset: name,
  seq: 1,
  head: "h1",
  rows: 0,
  bytes: 0,
  slices: 0,
  nextOffset: 0,
  schema: [],
  watermark: null,
  lastCommitAt: null,
});
const list = ["a", "b", "c.d"].map(dataset);
let position = 0;
const commit = (name: string, seq: number, more: Record<string, unknown> = {}): PlatformEvent => ({
  position: ++position,
  id: `e${position}`,
  at: new Date(position * 1_000).toISOString(),
  type: "dataset.committed",
  subject: `web.${name}`,
  project: "web",
  data: { datasetId: `id ${name}`, seq, block: `h${seq}`, kind: "AddData", rows: 5, bytes: 50, ...more },
});

test("whatever part of the commits a list has already, it ends where one does that was asked for behind them all", () => {
  const rows = fc.array(fc.record({ of: fc.constantFrom("a", "b", "c.d"), rows: fc.nat(9) }), { maxLength: 30 });
  fc.assert(
    fc.property(rows, fc.nat(30), fc.nat(30), (commits, known, overlap) => {
      const seqs = new Map<string, number>();
      const events = commits.map(({ of, rows }) => {
        const seq = (seqs.get(of) ?? 1) + 1;
        seqs.set(of, seq);
        return commit(of, seq, { rows, bytes: rows * 10 });
      });
      const asked = withCommits(list, events.slice(0, known)) ?? [];
      const ended = withCommits(asked, events.slice(Math.max(0, Math.min(known, events.length) - overlap)));
      expect(ended).toEqual(withCommits(list, events));
      for (const { dataset: name, rows: all } of ended ?? [])
        expect(all).toBe(commits.filter(({ of }) => of === name).reduce((sum, one) => sum + one.rows, 0));
    }),
  );
});

test("what a list cannot know from commits has it asked for", () => {
  expect(withCommits(list, [commit("a", 2)])?.map(({ rows }) => rows)).toEqual([5, 0, 0]);
  expect(withCommits(list, [commit("new", 0)])).toBeNull();
  expect(withCommits(list, [commit("a", 3)])).toBeNull();
  expect(withCommits(list, [commit("a", 2, { kind: "SetDataSchema" })])).toBeNull();
  expect(withCommits(list, [commit("a", 2, { datasetId: "another of its name" })])).toBeNull();
  expect(withCommits(list, [commit("a", 2, { rows: "5" })])).toBeNull();
});
