import { expect, test } from "vitest";
import type { LineageEdge, LineageNode } from "../../api/types.ts";
import { shownGraph } from "./shown.ts";

const node = (id: string): LineageNode => ({
  ...{ id, kind: "derivative", project: "p", name: id, state: "idle", mode: "stateless", rows: 0 },
  ...{ lastCommitAt: null, behindRows: 0, behindMs: 0, problem: null },
});
const edge = (text: string): LineageEdge => {
  const [from = "", to = ""] = text.split(">");
  return { from, to, readOffset: 0, behindRows: 0, behindMs: 0 };
};
const graph = {
  nodes: ["a", "b", "c", "d", "e", "lone"].map(node),
  edges: ["a>b", "b>c", "c>d", "e>d"].map(edge),
};
const ids = (nodes: readonly LineageNode[]) => nodes.map(({ id }) => id).join("");

test("all that is tied is drawn, what stands alone is told apart", () => {
  const { nodes, lone } = shownGraph(graph);
  expect([ids(nodes), ids(lone)]).toEqual(["abcde", "lone"]);
});

test("the kin of one is what it comes of and what comes of it", () => {
  expect(ids(shownGraph(graph, { focus: "b" }).nodes)).toBe("abcd");
  expect(ids(shownGraph(graph, { focus: "e" }).nodes)).toBe("de");
  expect(ids(shownGraph(graph, { focus: "lone" }).nodes)).toBe("lone");
  expect(ids(shownGraph(graph, { focus: "gone" }).nodes)).toBe("abcde");
});

test("a fold hides what is reached through it alone, and counts it", () => {
  const { nodes, edges, folded } = shownGraph(graph, { folds: new Set(["b"]) });
  expect(ids(nodes)).toBe("abde");
  expect(edges.map(({ from, to }) => from + to)).toEqual(["ab", "ed"]);
  expect(folded).toEqual(new Map([["b", 1]]));
});
