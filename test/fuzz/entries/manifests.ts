import { parseManifests } from "../../../src/resources/manifests.ts";
import type { FuzzEntry } from "../campaign.ts";
import type { Dice } from "../dice.ts";
import { checkAnswer, checkRefusal, Finding } from "../finding.ts";
import { plainInput } from "../input.ts";
import { mutateBytes, mutateWords } from "../mutate.ts";
import type { Target } from "../target.ts";
import { anyName, anyText, deepText, jsonText, objectText } from "../values.ts";

const valid: readonly string[] = [
  "kind: Project\nname: fuzz\nspec:\n  description: a\n",
  "kind: Project\nname: fuzz2\n---\nkind: Dataset\nproject: fuzz2\nname: a\nlabels: {a: b}\nspec:\n  columns:\n    - {name: id, type: BIGINT}\n    - {name: tags, type: 'VARCHAR[]'}\n  eventTime: at\n  commitIntervalMs: 100\n",
  "- kind: Dataset\n  project: fuzz\n  name: b\n  spec: &s {keywords: [x, y], license: {shortName: MIT, name: MIT, websiteUrl: 'https://a.example/'}}\n- {kind: Dataset, project: fuzz, name: c, spec: *s}\n",
  "kind: Source\nproject: fuzz\nname: s\nspec: {type: push, dataset: a}\n",
  "kind: Source\nproject: fuzz\nname: g\nspec: {type: generator, dataset: a, rowsPerSecond: 1e-3, paused: true}\n",
  "kind: Connection\nproject: fuzz\nname: pg\nspec: {type: postgres, address: 'postgres://h/d', secret: p}\n",
  '{"kind":"Project","name":"fuzz","spec":{}}',
  '[{"kind":"Project","name":"fuzz"},{"kind":"Dataset","project":"fuzz","name":"d","spec":{"columns":[{"name":"x","type":"STRUCT(a DATE, b DECIMAL(18,2)[])"}]}}]',
];
const words = [
  "kind",
  "Project",
  "Dataset",
  "Source",
  "spec",
  "name",
  ":",
  "-",
  "---",
  "...",
  "&a",
  "*a",
  "!!binary",
  "!!js/function",
  "<<: *a",
  "|",
  ">",
  "?",
  "{",
  "}",
  "[",
  "]",
  "null",
  "~",
  "0x1f",
  ".inf",
  "2001-12-14t21:59:43.10-05:00",
  "%YAML 1.1",
  "\t",
  "\u0000",
  "'",
  '"',
  "STRUCT(",
  "DECIMAL(99,1)",
  "ENUM()",
  "MAP(INT, INT)",
];

/** A text of manifests: valid, bent in its words or bytes, a bomb of aliases, deep, or noise. */
export function anyManifests(dice: Dice): string | Uint8Array {
  switch (dice.below(12)) {
    case 0:
      return dice.pick(valid);
    case 1:
      return dice.bytes(dice.few(400));
    case 2:
      return dice.chance(0.1) ? deepText(dice) : mutateWords(dice, dice.pick(valid), words);
    case 3:
      return dice.chance(0.3) ? aliasBomb(dice) : mutateWords(dice, dice.pick(valid), words);
    case 4:
      return `kind: ${anyText(dice)}\nname: ${anyName(dice)}\nspec: ${jsonText(dice)}\n`;
    case 5:
      return JSON.stringify({
        kind: "Dataset",
        project: "fuzz",
        name: anyName(dice),
        labels: { [anyName(dice)]: anyText(dice) },
        spec: {},
      });
    case 6:
      return `{"kind":"Dataset","project":"fuzz","name":"e","spec":${objectText(dice)}}`;
    case 7:
    case 8:
      return mutateBytes(
        dice,
        Buffer.from(dice.pick(valid)),
        valid.map((text) => Buffer.from(text)),
      );
    default:
      return mutateWords(dice, dice.pick(valid), words);
  }
}

function aliasBomb(dice: Dice): string {
  const levels = dice.between(2, 12);
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < levels; level++)
    lines.push(`a${level}: &a${level} [${Array.from({ length: 9 }, () => `*a${level - 1}`).join(", ")}]`);
  return `kind: Project\nname: fuzz\nspec:\n${lines.map((line) => `  ${line}`).join("\n")}\n`;
}

/** Reading manifests, in this process. */
export function manifestTextEntry(): FuzzEntry {
  return {
    name: "manifests.text",
    atOnce: 1,
    deadlineMs: 2_000,
    make: (dice) => plainInput(Buffer.from(anyManifests(dice))),
    async judge(input) {
      try {
        for (const { kind, name } of parseManifests(Buffer.from(input.body ?? []).toString("utf8"))) {
          if (kind === "" || name === "") throw new Finding("a manifest without kind or name");
        }
      } catch (error) {
        if (error instanceof Finding) throw error;
        checkRefusal(error, ["bad_manifest"]);
      }
    },
  };
}

/** Applying manifests through the door: rehearsed, diffed, and applied for good. */
export function manifestEntry(target: Target): FuzzEntry {
  return {
    name: "manifests.apply",
    atOnce: 8,
    deadlineMs: 20_000,
    make(dice) {
      const path = dice.pick([
        "/api/v1/apply?dryRun=true",
        "/api/v1/apply?dryRun=true",
        "/api/v1/apply",
        "/api/v1/diff",
      ]);
      const body = Buffer.from(anyManifests(dice));
      return {
        method: "POST",
        path,
        headers: { "content-type": dice.pick(["application/yaml", "application/json"]) },
        body,
        framing: { kind: "length" },
      };
    },
    async judge(input, signal) {
      const answer = await target.send(input, signal);
      if (answer !== null) checkAnswer(answer);
      if (!target.isAlive) throw new Finding("the server has ended");
    },
  };
}
