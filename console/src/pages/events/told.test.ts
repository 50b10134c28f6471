import fc from "fast-check";
import { expect, test } from "vitest";
import type { PlatformEvent } from "../../api/types.ts";
import { datasetOf, subjectOf, toldOf } from "./told.ts";

const event = (type: string, subject: string, data: PlatformEvent["data"]): PlatformEvent => ({
  position: 1,
  id: "01a2004c-2d56-7b33-8615-b9f0126f4a8d",
  at: "2026-01-01T00:00:00Z",
  type,
  subject,
  project: null,
  data,
});

test("commits, definitions and tasks are told in words", () => {
  const rows = event("dataset.committed", "web.birds", { seq: 6, kind: "AddData", rows: 100, bytes: 5_425 });
  expect(toldOf(rows)).toBe("+100 rows, 5.4 KB, block 6");
  expect(datasetOf(rows)).toEqual({ project: "web", dataset: "birds" });
  const seed = event("dataset.committed", "did:odf:fed01683540cb35c", { seq: 0, kind: "Seed", rows: 0, bytes: 0 });
  expect([toldOf(seed), subjectOf(seed.subject), datasetOf(seed)]).toEqual([
    "Dataset begins, block 0",
    "…1683540cb35c",
    null,
  ]);
  const applied = event("resource.applied", "Dataset/web/birds", { by: "owner", generation: 2 });
  expect([toldOf(applied), datasetOf(applied)]).toEqual([
    "generation 2, by owner",
    { project: "web", dataset: "birds" },
  ]);
  expect(datasetOf({ ...applied, type: "resource.deleted" })).toBeNull();
});

test("whatever an event holds, a line is told of it", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("dataset.committed", "task.changed", "other"),
      fc.string(),
      fc.jsonValue(),
      (type, subject, data) => {
        const one = event(type, subject, data);
        expect(toldOf(one).length).toBeLessThan(400);
        expect(subjectOf(one.subject).length).toBeLessThanOrEqual(Math.max(13, subject.length));
      },
    ),
  );
});
