import fc from "fast-check";
import { expect, test } from "vitest";
import type { IngestReceipt, Preview } from "../../api/types.ts";
import { type FileState, sendAll } from "./send-all.ts";

const preview: Preview = {
  format: "csv",
  options: {},
  formatName: "csv",
  encoding: "identity",
  columns: [],
  rows: [],
  problems: [],
};
const addressed = (name: string) => ({ file: new File(["x"], name), project: "my", dataset: "data" });
const receiptOf = (name: string): IngestReceipt => ({
  id: name,
  dataset: "my.data",
  state: "committed",
  rows: 1,
  quarantined: 0,
  firstOffset: 0,
  lastOffset: 0,
  block: null,
  duplicate: false,
  seq: 1,
});

test("files go one after the other, and one that fails holds up none", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom("good", "unreadable", "refused"), { maxLength: 8 }), async (kinds) => {
      let underway = 0;
      const states: FileState[] = kinds.map(() => ({ kind: "waiting" }));
      const doors = {
        async look(file: File) {
          expect(++underway).toBe(1);
          await Promise.resolve();
          if (!file.name.startsWith("unreadable")) return preview;
          underway--;
          throw new Error("unreadable");
        },
        async send({ file }: { readonly file: File }) {
          await Promise.resolve();
          underway--;
          if (file.name.startsWith("refused")) throw new Error("refused");
          return receiptOf(file.name);
        },
      };
      const files = kinds.map((kind, at) => addressed(`${kind} ${at}`));
      await sendAll(files, doors, (at, state) => states.splice(at, 1, state), new AbortController().signal);
      expect(states.map(({ kind }) => kind)).toEqual(kinds.map((kind) => (kind === "good" ? "sent" : "failed")));
    }),
  );
});

test("a cancel ends the file under way and those behind it; what was sent stays sent", async () => {
  const stop = new AbortController();
  const states: FileState["kind"][] = [];
  const doors = {
    look: async () => preview,
    async send({ file }: { readonly file: File }) {
      if (file.name !== "b") return receiptOf(file.name);
      stop.abort();
      throw stop.signal.reason;
    },
  };
  const files = ["a", "b", "c"].map(addressed);
  await sendAll(files, doors, (at, { kind }) => states.splice(at, 1, kind), stop.signal);
  expect(states).toEqual(["sent", "cancelled", "cancelled"]);
});
