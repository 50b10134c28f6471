import type { TreeValue } from "./tree.ts";

type Reviver = (key: string, value: TreeValue, context: { readonly source?: string }) => TreeValue;
// ECMAScript's "JSON.parse source text access": Node has it, the compiler's library does not name all of it yet.
const rawJson: unknown = Reflect.get(JSON, "rawJSON");

const keepSource: Reviver = (_, value, { source }) => {
  if (typeof value !== "number" || source === undefined || String(value) === source || typeof rawJson !== "function")
    return value;
  return rawJson(source);
};

/** Reads JSON so that writing it again gives the same numbers, also those beyond 2^53. */
export function parseLossless(text: string): TreeValue {
  return Reflect.apply(JSON.parse, JSON, [text, keepSource]);
}
