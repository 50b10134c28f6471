// Makes dist/: the program as JavaScript, for the npm package, because Node strips no types below node_modules.
// Types become blanks and ".ts" in an import becomes ".js", so that each line and column stays where it is in src/.
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { parseSync } from "oxc-parser";

const root = path.dirname(import.meta.dirname);
const source = path.join(root, "src");
const target = path.join(root, "dist");

rmSync(target, { recursive: true, force: true });
for (const file of globSync("**/*.{ts,sql}", { cwd: source }).sort()) {
  if (file.endsWith(".test.ts")) continue;
  const from = path.join(source, file);
  const to = path.join(target, file.replace(/\.ts$/, ".js"));
  mkdirSync(path.dirname(to), { recursive: true });
  if (file.endsWith(".sql")) cpSync(from, to);
  else writeFileSync(to, withJavaScriptImports(to, stripTypeScriptTypes(readFileSync(from, "utf8"))));
}

function withJavaScriptImports(file: string, text: string): string {
  const { module, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`);
  const requests = [
    ...module.staticImports.map((found) => found.moduleRequest),
    ...module.staticExports.flatMap((found) => found.entries.flatMap((entry) => entry.moduleRequest ?? [])),
    ...module.dynamicImports.map((found) => found.moduleRequest),
  ];
  // ".js" is as long as ".ts": the places found stay right.
  return requests.reduce((written, { start, end }) => {
    const request = written.slice(start, end).replace(/^(["']\.{1,2}\/.*)\.ts(["'])$/, "$1.js$2");
    return written.slice(0, start) + request + written.slice(end);
  }, text);
}
