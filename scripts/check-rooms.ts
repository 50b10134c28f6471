// Checks the walls of the house: see scripts/rooms.ts for the rule. dependency-cruiser would serve, but it reads
// TypeScript through the compiler's API, which TypeScript 7 no longer has; the parser that knip brings does.
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseSync } from "oxc-parser";
import { layerOf, layers } from "./rooms.ts";

const root = path.dirname(import.meta.dirname);
const problems: string[] = [];

for (const file of globSync("src/**/*.ts", { cwd: root }).sort()) {
  const room = file.split("/")[1] ?? "";
  if (layerOf(room) < 0) problems.push(`${file}: the room "${room}" is not in scripts/rooms.ts`);
  const isTest = file.endsWith(".test.ts");
  for (const target of importsOf(file)) {
    if (!target.startsWith(".")) continue;
    const resolved = path.relative(root, path.resolve(root, path.dirname(file), target));
    problems.push(...problemsOf(file, room, resolved, isTest));
  }
}

checkArchitecture();

if (problems.length > 0) {
  process.stderr.write(`${problems.join("\n")}\n${problems.length} breaks of the room rule\n`);
  process.exit(1);
}
process.stdout.write(`rooms: ${layers.flat().length} rooms, no wall broken\n`);

function importsOf(file: string): string[] {
  const text = readFileSync(path.join(root, file), "utf8");
  const { module, errors } = parseSync(file, text);
  if (errors.length > 0) problems.push(`${file}: cannot be parsed: ${errors[0]?.message}`);
  return [
    ...module.staticImports.map((found) => found.moduleRequest.value),
    ...module.staticExports.flatMap((found) => found.entries.flatMap((entry) => entry.moduleRequest?.value ?? [])),
    ...module.dynamicImports.map((found) => text.slice(found.moduleRequest.start + 1, found.moduleRequest.end - 1)),
  ];
}

/** What is wrong with `file` of `room` importing `target` (both relative to the repository). */
function problemsOf(file: string, room: string, target: string, isTest: boolean): string[] {
  if (!target.endsWith(".ts") && !target.endsWith(".json")) return [`${file}: imports ${target} without its ending`];
  const [top, targetRoom = ""] = target.split("/");
  if (top === "test" || top === "bench") return isTest ? [] : [`${file}: imports ${target}, which is for tests`];
  if (target === "package.json") return room === "server" ? [] : [`${file}: imports package.json`];
  if (top !== "src") return [`${file}: imports ${target} from outside src/`];
  if (targetRoom === room) return [];
  const found = [];
  if (target !== `src/${targetRoom}/index.ts`) found.push(`${file}: imports ${target} past the door of ${targetRoom}`);
  // A test may join rooms, as the server does; production code may not.
  if (!isTest && layerOf(targetRoom) >= layerOf(room)) {
    found.push(`${file}: ${room} (layer ${layerOf(room)}) imports ${targetRoom} (layer ${layerOf(targetRoom)})`);
  }
  return found;
}

function checkArchitecture(): void {
  const shown = readFileSync(path.join(root, "ARCHITECTURE.md"), "utf8");
  layers.forEach((rooms, layer) => {
    const line = `| ${layer} | ${rooms.map((room) => `\`${room}/\``).join(" ")} |`;
    if (!shown.includes(line)) problems.push(`ARCHITECTURE.md: must show the layer as "${line}"`);
  });
}
