import { describe, expect, test } from "vitest";
import { Turns } from "./turns.ts";

/** Turns that end when the test says so. */
function held(atOnce: number) {
  const begun: string[] = [];
  const ends = new Map<string, () => void>();
  const turns = new Turns<string>(atOnce, (key) => {
    begun.push(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    ends.set(key, resolve);
    return promise;
  });
  const end = async (key: string) => {
    ends.get(key)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { turns, begun, end };
}

describe("turns", () => {
  test("go round the projects, so that one with much to do does not keep the others waiting", async () => {
    const { turns, begun, end } = held(1);
    for (const key of ["a1", "a2", "a3", "b1", "c1"]) turns.ask(key.slice(0, 1), key);
    for (const key of ["a1", "a2", "b1", "c1", "a3"]) await end(key);
    expect(begun).toEqual(["a1", "a2", "b1", "c1", "a3"]);
  });

  test("are few at once, and never two of one", async () => {
    const { turns, begun, end } = held(2);
    for (const key of ["a1", "a1", "b1", "c1"]) turns.ask(key.slice(0, 1), key);
    expect(begun).toEqual(["a1", "b1"]);
    expect(turns.isWaiting("a", "a1")).toBe(true);
    await end("b1");
    expect(begun).toEqual(["a1", "b1", "c1"]);
    await end("a1");
    expect(begun).toEqual(["a1", "b1", "c1", "a1"]);
    expect(turns.isWaiting("a", "a1")).toBe(false);
  });

  test("that were asked for often are one; a forgotten one is none", async () => {
    const { turns, begun, end } = held(1);
    for (const key of ["a1", "b1", "b1", "b1", "c1"]) turns.ask(key.slice(0, 1), key);
    turns.forget("c", "c1");
    await end("a1");
    await end("b1");
    expect(begun).toEqual(["a1", "b1"]);
  });

  test("end with the last that runs", async () => {
    const { turns, begun, end } = held(1);
    turns.ask("a", "a1");
    turns.ask("b", "b1");
    let isStopped = false;
    const stopped = turns.stop().then(() => {
      isStopped = true;
    });
    expect(isStopped).toBe(false);
    await end("a1");
    await stopped;
    turns.ask("a", "a1");
    expect(begun).toEqual(["a1"]);
  });
});
