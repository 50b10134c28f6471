import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type OpenRoom, openRoom } from "../../../test/ingest/room.ts";
import { instant, MillraceError, systemClock } from "../../base/index.ts";
import type { Change, CommitOutcome, Datasets } from "../../datasets/index.ts";
import { engineConverter } from "../convert/converter.ts";

let room: OpenRoom;
beforeAll(async () => {
  room = await openRoom();
});
afterAll(() => room[Symbol.asyncDispose]());

/** The room's datasets, whose first commits end as said, with the batch's files gone. */
function losing(outcomes: readonly CommitOutcome[]): { readonly datasets: Datasets; readonly changes: Change[] } {
  const changes: Change[] = [];
  const commit = async (...[id, change, signal]: Parameters<Datasets["commit"]>): Promise<CommitOutcome> => {
    changes.push(change);
    const outcome = outcomes[changes.length - 1];
    if (outcome === undefined) return await room.datasets.commit(id, change, signal);
    for (const file of [change.data, change.quarantine]) if (file !== undefined) await rm(file.localPath);
    return outcome;
  };
  const datasets = new Proxy(room.datasets, {
    get(target, name) {
      if (name === "commit") return commit;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { datasets, changes };
}

test.each([
  ["told by the commit", { outcome: "lost", stored: false, gone: true }],
  ["found by who reads the slice again", { outcome: "lost", stored: true, gone: false }],
] as const)("a batch whose files were collected (%s) is written anew, once, under other names", async (_, lost) => {
  const { datasets, changes } = losing([lost, lost]);
  const ingest = await room.open({ datasets });
  const one = await room.request('{"a":1}\nbroken\n{"a":2}\n');
  const receipt = await ingest.push(one, AbortSignal.timeout(25_000));
  expect(receipt).toMatchObject({ state: "committed", rows: 2, quarantined: 1, firstOffset: 0, lastOffset: 1 });
  expect(changes).toHaveLength(3);
  for (const part of ["data", "quarantine"] as const)
    expect(new Set(changes.map((change) => change[part]?.physicalHash)).size, part).toBe(3);
  expect((await room.datasets.head(one.dataset.id)).rows).toBe(2);
  await ingest.stop();
});

test("a body that is put aside whole is written anew where its file is about to be collected, also while the clock stands", async () => {
  const { datasets, changes } = losing([
    { outcome: "lost", stored: false, gone: true },
    { outcome: "lost", stored: false, gone: true },
  ]);
  const convert = () => Promise.reject(new MillraceError("bad_input", "No worker can read it."));
  const clock = { ...systemClock, now: () => instant(1_000) };
  const ingest = await room.open({ datasets, clock, converter: { ...engineConverter(room.pool.pool), convert } });
  const one = await room.request('{"a":1}\n');
  const receipt = await ingest.push(one, AbortSignal.timeout(25_000));
  expect(receipt).toMatchObject({ state: "committed", rows: 0, quarantined: 1 });
  expect(new Set(changes.map((change) => change.quarantine?.physicalHash)).size).toBe(3);
  await ingest.stop();
});
