import { existsSync } from "node:fs";
import path from "node:path";

const folder = path.resolve(import.meta.dirname, "..", "..", "..", "shared", "data");

/** A real file of the shared test data, read in place; null with the reason told where it is absent. */
export function sharedFile(name: string): string | null {
  const file = path.join(folder, name);
  return existsSync(file) ? file : null;
}

/** Why tests on shared data skip here. */
export const sharedDataAbsent = existsSync(folder) ? null : `shared test data is absent: put its folder at ${folder}`;
