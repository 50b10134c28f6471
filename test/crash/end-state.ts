import { readlinkSync, statSync } from "node:fs";
import { utimes } from "node:fs/promises";
import path from "node:path";
import { millrace, type Platform } from "../kit/platform.ts";
import { allProcesses, filesBelow } from "../kit/processes.ts";
import { Violation } from "./connection.ts";
import { checkDerivatives } from "./derivatives.ts";
import type { Importer } from "./importer.ts";
import type { CheckingReader } from "./reader.ts";
import type { Supervisor } from "./supervisor.ts";
import type { NumberedWriter } from "./writer.ts";

/** What must hold when the writers are done: each acknowledged row once, nothing else, every proof whole. @throws Violation */
export async function checkEnd(
  { platform }: Supervisor,
  writers: readonly NumberedWriter[],
  readers: readonly CheckingReader[],
  importer: Importer,
): Promise<void> {
  if (platform === null) throw new Violation("no server runs at the end");
  for (const reader of readers) if (!(await reader.look())) throw new Violation("a reader had no answer at the end");
  const datasets = new Set(writers.map((writer) => writer.options.dataset));
  for (const dataset of datasets) {
    const own = writers.filter((writer) => writer.options.dataset === dataset);
    const wanted = own.reduce((sum, writer) => sum + writer.acknowledgedRows, 0);
    await expectOne(platform, `${offsets} FROM crash.${dataset}`, `${wanted},true`);
    const bad = own.filter((writer) => writer.options.badLine).reduce((sum, writer) => sum + writer.acknowledged, 0);
    if (bad > 0) await expectOne(platform, `SELECT count(*) FROM crash.${dataset}__quarantine`, String(bad));
  }
  await checkDerivatives(platform);
  for (let at = 0; at < importer.done; at++) {
    await expectOne(platform, `${offsets} FROM crash.imported${at}`, `${importer.rows},true`);
    const distinct = `SELECT count(DISTINCT number), min(number), max(number) FROM crash.imported${at}`;
    await expectOne(platform, distinct, `${importer.rows},0,${importer.rows - 1}`);
    datasets.add(`imported${at}`);
  }
  for (const dataset of datasets) {
    const { code, stdout, stderr } = await millrace(["verify", `crash.${dataset}`], platform);
    if (code !== 0) throw new Violation(`verify crash.${dataset}: ${stdout}${stderr}`);
  }
}

const offsets = `SELECT count(*), count(*) = count(DISTINCT "offset") AND min("offset") = 0 AND max("offset") = count(*) - 1`;

async function expectOne(platform: Platform, sql: string, wanted: string): Promise<void> {
  const { code, stdout, stderr } = await millrace(["sql", sql, "--format", "csv"], platform);
  const got = stdout.trimEnd().split("\n").slice(1).join("\n").replaceAll('"', "");
  if (code !== 0 || got !== wanted) throw new Violation(`${sql}: wanted ${wanted}, got ${got}${stderr}`);
}

/** After an end in order nothing is left: no process that has to do with the folder, no file of unfinished work. @throws Violation */
export function checkGone(dataDirectory: string): void {
  const left = allProcesses().filter(({ pid, command }) => {
    if (pid === process.pid) return false;
    return command.includes(dataDirectory) || folderOf(pid).startsWith(dataDirectory);
  });
  if (left.length > 0) throw new Violation(`processes outlived the end: ${JSON.stringify(left)}`);
  const files = filesBelow(workFolders.map((name) => path.join(dataDirectory, name)));
  const shown = files.slice(0, 20).map((file) => {
    const { mtimeMs, size } = statSync(file);
    return `${file} (${size} bytes, ${Math.round((Date.now() - mtimeMs) / 1_000)} s old)`;
  });
  if (files.length > 0) throw new Violation(`files of unfinished work are left: ${shown.join(", ")}`);
}

const workFolders = ["staging/work", "staging/log/spool", "engines", "objects/.tmp", "staging/incoming"];

/** What killed processes have left becomes two hours old, which is when the next server throws it away. */
export async function ageLeftovers(dataDirectory: string): Promise<void> {
  const old = Date.now() / 1_000 - 7_200;
  const folders = ["objects/.tmp", "staging/incoming"].map((name) => path.join(dataDirectory, name));
  for (const file of filesBelow(folders)) await utimes(file, old, old);
}

function folderOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
}
