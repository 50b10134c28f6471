import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ListOptions, ObjectStore } from "./object-store.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const byCodeUnit = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

export async function keysOf(store: ObjectStore, prefix: string, options: ListOptions = {}): Promise<string[]> {
  const keys = [];
  for await (const { key } of store.list(prefix, options)) keys.push(key);
  return keys;
}

/** The part of conformance.ts about `list`. `fresh` names an unused folder. */
export function listingConformance(store: () => ObjectStore, fresh: () => string) {
  describe("listing", () => {
    test("is in order of code units over folders, by any prefix, behind any key, in pages", async () => {
      const folder = fresh();
      const names = ["a", "a-b", "a.b", "b/x", "b/y/z", "b-", "b=", "b0", "B", "_", "0", "c/0", "c/00", "c/1"];
      for (const name of names) await store().put(`${folder}/${name}`, bytes(name));
      const sorted = names.map((name) => `${folder}/${name}`).sort(byCodeUnit);
      expect(await keysOf(store(), `${folder}/`)).toEqual(sorted);
      for (const prefix of ["", "a", "b", "b/", "b/y", "c/0", "c/00", "z", "a/"]) {
        const expected = sorted.filter((key) => key.startsWith(`${folder}/${prefix}`));
        expect(await keysOf(store(), `${folder}/${prefix}`), prefix).toEqual(expected);
      }
      for (const after of [...names, "", "aa", "b/", "b/zzz", "zz"].map((key) => `${folder}/${key}`)) {
        const expected = sorted.filter((key) => key > after);
        expect(await keysOf(store(), `${folder}/`, { after }), after).toEqual(expected);
      }
      for (const limit of [1, 2, 5, 14, 15]) {
        const paged: string[] = [];
        for (let page = [""]; page.length > 0; paged.push(...page)) {
          const after = paged.at(-1);
          page = await keysOf(store(), `${folder}/`, { limit, ...(after === undefined ? {} : { after }) });
          expect(page.length).toBeLessThanOrEqual(limit);
        }
        expect(paged, `pages of ${limit}`).toEqual(sorted);
      }
      expect(await keysOf(store(), `${folder}/`, { limit: 0 })).toEqual([]);
    });

    test("tells sizes and times", async () => {
      const folder = fresh();
      await store().put(`${folder}/a`, bytes("four"));
      const [found] = await Array.fromAsync(store().list(`${folder}/`));
      expect(found).toEqual(await store().stat(`${folder}/a`));
      expect(found).toMatchObject({ sizeBytes: 4 });
      expect(Math.abs((found?.modifiedMs ?? 0) - Date.now())).toBeLessThan(86_400_000);
    });

    test("of more keys than a page of any store", async () => {
      const folder = fresh();
      const keys = Array.from({ length: 2_100 }, (_, i) => `${folder}/${String(i).padStart(5, "0")}`);
      for (let at = 0; at < keys.length; at += 100) {
        await Promise.all(keys.slice(at, at + 100).map((key) => store().put(key, bytes(""))));
      }
      expect(await keysOf(store(), `${folder}/`)).toEqual(keys);
    }, 60_000);

    test("any history ends as a map would", async () => {
      const folder = fresh();
      let runs = 0;
      const name = fc.array(fc.stringMatching(/^[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,2}$/), {
        minLength: 1,
        maxLength: 3,
      });
      const step = fc.record({
        name: name.map((parts) => parts.join("/")),
        what: fc.constantFrom("put", "putIfAbsent", "delete"),
        body: fc.string({ maxLength: 5 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const run = `${folder}/${runs++}`; // a folder may outlive its keys, and would be in the way of a file of its name
          const model = new Map<string, string>();
          const used: string[] = [];
          for (const { name: short, what, body } of steps) {
            const key = `${run}/${short}`;
            if (used.some((other) => other.startsWith(`${key}/`) || key.startsWith(`${other}/`))) continue;
            used.push(key);
            if (what === "delete") {
              await store().delete(key);
              model.delete(key);
            } else if (what === "put") {
              await store().put(key, bytes(body));
              model.set(key, body);
            } else {
              const outcome = await store().putIfAbsent(key, bytes(body));
              expect(outcome).toBe(model.has(key) ? "exists" : "created");
              if (outcome === "created") model.set(key, body);
            }
          }
          const sorted = [...model].sort(([a], [b]) => byCodeUnit(a, b));
          expect(await keysOf(store(), `${run}/`)).toEqual(sorted.map(([key]) => key));
          for (const [key, body] of sorted)
            expect(Buffer.from((await store().get(key)) ?? [])).toEqual(Buffer.from(body));
        }),
        { numRuns: 30 },
      );
    }, 60_000);
  });
}
