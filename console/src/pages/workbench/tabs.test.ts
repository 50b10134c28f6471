import fc from "fast-check";
import { expect, test } from "vitest";
import { type Ran, readHistory, withHere, withRan } from "./history.ts";
import { folderPath, nameFor, type SavedQuery, treeOf } from "./saved.ts";
import { changedTab, emptyTab, freeName, mostTabs, readTabs, storedText, withoutTab, withTab } from "./tabs.ts";

let last = 0;
const newId = () => `new-${++last}`;

test("tabs come back as they were left", () => {
  const first = emptyTab("a", { sql: "SELECT 1", name: "One" });
  const second = emptyTab("b", {
    sql: "SELECT 2",
    saved: { project: "web", name: "two" },
    chart: { type: "bar", x: 0, y: [1], split: 2 },
  });
  const tabs = withTab({ tabs: [first], active: "a" }, second);
  expect(readTabs(storedText(tabs), newId)).toEqual(tabs);
});

test("whatever was stored, there is a tab, and no more than fit", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), fc.constant(null)), (text) => {
      const { tabs, active } = readTabs(text, newId);
      expect(tabs.some(({ id }) => id === active)).toBe(true);
    }),
  );
  const many = Array.from({ length: mostTabs + 5 }, (_, at) => emptyTab(`${at}`));
  expect(readTabs(storedText({ tabs: many, active: `${mostTabs + 1}` }), newId)).toMatchObject({ active: "0" });
  expect(
    readTabs('{"tabs":[{"id":"a","sql":"","chart":{"type":"line","x":0,"y":["<b>"]}}]}', newId).tabs[0]?.chart,
  ).toBeNull();
});

test("the neighbour of a closed tab is shown; the last one leaves an empty one", () => {
  const tabs = { tabs: ["a", "b", "c"].map((id) => emptyTab(id)), active: "b" };
  expect(withoutTab(tabs, "b", newId).active).toBe("c");
  expect(withoutTab({ ...tabs, active: "c" }, "c", newId).active).toBe("b");
  expect(withoutTab(tabs, "a", newId).active).toBe("b");
  expect(withoutTab({ tabs: [emptyTab("a", { sql: "x" })], active: "a" }, "a", newId).tabs).toMatchObject([
    { sql: "" },
  ]);
  expect(changedTab(tabs, "a", { name: "A" }).tabs[0]?.name).toBe("A");
  expect(freeName([emptyTab("a"), emptyTab("b", { name: "Query 2" })], "Query")).toBe("Query 3");
});

test("a statement run again is listed once, at the front", () => {
  const ran = (sql: string, atMs: number) => ({ sql, atMs, elapsedMs: 1, state: "done" as const, rows: 1 });
  const history = withRan(withRan(withRan([], ran("a", 1)), ran("b", 2)), ran("a", 3));
  expect(history.map(({ sql, atMs }) => [sql, atMs])).toEqual([
    ["a", 3],
    ["b", 2],
  ]);
  expect(readHistory(JSON.stringify(history))).toEqual(history);
  expect(readHistory('[{"sql":1},null]')).toEqual([]);
  expect(readHistory("{")).toEqual([]);
});

const query = (name: string, folder: string): SavedQuery => ({
  project: "web",
  name,
  generation: 1,
  title: name,
  folder,
  sql: "",
  chart: null,
});

test("folders make a tree", () => {
  const tree = treeOf([query("z", "a/b"), query("y", ""), query("x", "a/b/c"), query("w", "a")]);
  expect(tree.queries.map(({ name }) => name)).toEqual(["y"]);
  const [a] = tree.folders;
  expect([a?.name, a?.queries.map(({ name }) => name)]).toEqual(["a", ["w"]]);
  expect([a?.folders[0]?.path, a?.folders[0]?.folders[0]?.path]).toEqual(["a/b", "a/b/c"]);
});

test("every title has a name that the server takes, and no name twice", () => {
  expect(nameFor("Übersicht (täglich)", new Set())).toBe("ubersicht_taglich");
  const pattern = /^[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*$/;
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (title) => {
      const name = nameFor(title, new Set());
      expect(name).toMatch(pattern);
      expect(name.length).toBeLessThanOrEqual(63);
      expect(nameFor(title, new Set([name]))).not.toBe(name);
    }),
  );
  expect(folderPath(" a / /b/ ")).toBe("a/b");
});

test("what ran here stands among what ran everywhere, once", () => {
  const ran = (sql: string, atMs: number): Ran => ({ sql, atMs, elapsedMs: 1, state: "done", rows: 1 });
  const everywhere = [ran("SELECT 2", 900_000), ran("SELECT 1", 500_000)];
  const here = [ran("SELECT 3", 990_000), ran("SELECT 2", 899_000), ran("SELECT 0", 100_000)];
  expect(withHere(everywhere, here, 1_000_000).map(({ sql }) => sql)).toEqual(["SELECT 3", "SELECT 2", "SELECT 1"]);
});
