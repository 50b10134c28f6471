import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MillraceError } from "../base/index.ts";
import { check } from "./checked.ts";
import { connectionKind, datasetKind, projectKind, sourceKind } from "./kinds.ts";
import { parseManifests } from "./manifests.ts";

const kinds = [projectKind, datasetKind, sourceKind, connectionKind];

function failureOf(work: () => unknown): MillraceError {
  try {
    work();
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

/** Reads a text and has each manifest checked by its kind. */
function readAndCheck(text: string) {
  return parseManifests(text).map((input) => {
    const kind = kinds.find((one) => one.kind === input.kind);
    if (kind === undefined) throw new Error(`no kind ${input.kind}`);
    return check(kind, input);
  });
}

describe("manifests", () => {
  test("many YAML documents, a list, JSON, and nothing between separators", () => {
    const yaml =
      "# projects\n---\nkind: Project\nname: web\n---\n---\nkind: Dataset\nproject: web\nname: access\nlabels: {team: a}\nspec:\n  eventTime: at\n";
    expect(parseManifests(yaml)).toMatchObject([
      { kind: "Project", name: "web", spec: {} },
      { kind: "Dataset", project: "web", name: "access", labels: { team: "a" }, spec: { eventTime: "at" } },
    ]);
    const json = JSON.stringify(
      [
        { kind: "Project", name: "a" },
        { kind: "Project", name: "b" },
      ],
      null,
      "\t",
    );
    expect(parseManifests(json).map((one) => one.name)).toEqual(["a", "b"]);
    expect(parseManifests('{"kind":"Project","name":"a"}').map((one) => one.name)).toEqual(["a"]);
  });

  test.each([
    ["a tab for indentation", "kind: Project\nname: web\nspec:\n\tdescription: x\n", 4, 1, null],
    ["one name twice", "kind: Project\nname: a\nname: b\n", 3, 1, null],
    ["an unknown member", "kind: Project\nnaem: a\nname: a\n", 2, 1, 'Did you mean "name"?'],
    ["a name that is a number", "kind: Project\nname: 7\n", 2, 7, null],
    ["a label that is a number", "kind: Project\nname: a\nlabels:\n  team: 7\n", 4, 9, null],
    ["an unknown member of a list's second item", '[{"kind":"Project","name":"a"},\n {"knid":"Project"}]', 2, 2, null],
    ["no name", "---\nkind: Project\n---\nkind: Project\nname: a\n", 2, 1, null],
  ])("%s is refused where it stands", (_, text, line, column, hint) => {
    const error = failureOf(() => parseManifests(text));
    expect(error.code).toBe("bad_manifest");
    expect(error.position).toMatchObject({ line, column });
    if (hint !== null) expect(error.hint).toBe(hint);
  });

  test.each([
    ["", "no manifest"],
    ["# nothing\n", "no manifest"],
    [`${"[".repeat(20_000)}`, "nested too deeply"],
    [`a: &a [x]\nb: [${"*a,".repeat(200)}]`, "aliases"],
    [`[${'{"kind":"Project","name":"a"},'.repeat(1_001)}]`, "at most"],
  ])("%#: no manifest", (text, message) => {
    const error = failureOf(() => parseManifests(text));
    expect(error.code).toBe("bad_manifest");
    expect(error.message).toContain(message);
  });

  test.each([
    [
      "an unknown member of the spec",
      "kind: Dataset\nproject: web\nname: a\nspec:\n  descripton: x\n",
      { line: 5, column: 3 },
      'Did you mean "description"?',
    ],
    [
      "an unknown member deep inside",
      "kind: Dataset\nproject: web\nname: a\nspec:\n  columns:\n    - name: a\n      typ: INT\n      type: INT\n",
      { line: 7, column: 7 },
      'Did you mean "type"?',
    ],
    [
      "an unknown member of one form of a union",
      "kind: Source\nproject: web\nname: s\nspec: {type: generator, dataset: a, rowPerSecond: 5}\n",
      { line: 4, column: 37 },
      'Did you mean "rowsPerSecond"?',
    ],
    [
      "an unknown form",
      "kind: Source\nproject: web\nname: s\nspec: {type: puhs, dataset: a}\n",
      { line: 4, column: 14 },
      null,
    ],
    [
      "a value out of range",
      "kind: Dataset\nproject: web\nname: a\nspec:\n  commitIntervalMs: 1\n",
      { line: 5, column: 21 },
      null,
    ],
    ["a bad name", "kind: Dataset\nproject: web\nname: A B\n", { line: 3, column: 7 }, null],
    ["a project where none belongs", "kind: Project\nproject: web\nname: a\n", { line: 2, column: 10 }, null],
    ["no project", "---\nkind: Dataset\nname: a\n", { line: 2, column: 1 }, 'Add "project: NAME".'],
    [
      "half a character",
      '{"kind":"Project","name":"a","spec":{"description":"\\ud800"}}',
      { line: 1, column: 52 },
      null,
    ],
    [
      "a password in an address",
      "kind: Connection\nproject: web\nname: c\nspec: {type: postgres, address: 'postgres://u:p@host/db'}\n",
      { line: 4, column: 33 },
      null,
    ],
  ])("%s is refused where it stands", (_, text, position, hint) => {
    const error = failureOf(() => readAndCheck(text));
    expect(["bad_manifest", "bad_name"]).toContain(error.code);
    expect(error.position).toMatchObject(position);
    if (hint !== null) expect(error.hint).toBe(hint);
  });

  test.each(["x__quarantine", "a.b", "UPPER", "", "-a", `${"a".repeat(64)}`])("%j names no dataset", (name) => {
    const input = { kind: "Dataset", project: "web", name, spec: {} };
    expect(failureOf(() => check(datasetKind, input)).code).toBe("bad_name");
  });

  test("whatever is written, it is read or refused with a code", () => {
    const scalars = fc.oneof(fc.string({ unit: "binary" }), fc.double(), fc.boolean(), fc.constant(null), fc.bigInt());
    const texts = fc.oneof(
      fc.string({ unit: "binary", maxLength: 200 }),
      fc.string({ unit: fc.constantFrom(..."kind: Project\nname-{}[]&*!|>'\"#%@,?\t"), maxLength: 80 }),
      fc.jsonValue().map((value) => JSON.stringify(value)),
      scalars.map((value) => `kind: Project\nname: a\nspec: {description: ${String(value)}}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          for (const input of parseManifests(text)) for (const kind of kinds) check(kind, input);
        } catch (error) {
          if (!(error instanceof MillraceError)) throw error;
          expect(["bad_manifest", "bad_name"]).toContain(error.code);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
