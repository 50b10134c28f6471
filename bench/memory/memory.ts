import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { millrace, startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory } from "../benchmark.ts";
import { webRequests } from "../web-requests.ts";

const settleMs = 20_000;

interface ProcessMemory {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly residentBytes: number;
  /** Resident bytes with those that several processes share counted in parts. */
  readonly proportionalBytes: number;
}

/** Resident memory of all processes together, idle after a start, an import and a query: megabytes. */
export const benchmark: Benchmark = async (tell) => {
  const { file } = await webRequests(100_000);
  const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "memory-"));
  try {
    await using platform = await startPlatform({ dataDirectory });
    const imported = await millrace(["ingest", "bench.memory", file], platform);
    if (imported.code !== 0) throw new Error(imported.stderr);
    await millrace(["sql", "SELECT count(*) FROM bench.memory"], platform);
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    const processes = descendants(platform.process.pid ?? 0);
    for (const { pid, command, residentBytes, proportionalBytes } of processes) {
      const figures = [residentBytes, proportionalBytes].map((bytes) => (bytes / 1e6).toFixed(0).padStart(5));
      tell(
        `${String(pid).padStart(7)} ${figures[0]} MB resident ${figures[1]} MB proportional  ${command.slice(0, 70)}`,
      );
    }
    // Pages that PostgreSQL's processes share (its buffers, its program) are counted once.
    const total = processes.reduce((sum, one) => sum + one.proportionalBytes, 0);
    const plain = processes.reduce((sum, one) => sum + one.residentBytes, 0);
    tell(`${(plain / 1e6).toFixed(0)} MB as the plain sum, shared pages counted in every process`);
    return { ratio: total / 1e6, bar: 450, atMost: true };
  } finally {
    rmSync(dataDirectory, { recursive: true, force: true });
  }
};

function descendants(root: number): ProcessMemory[] {
  const all = globSync("/proc/[0-9]*").flatMap((folder) => readProcess(folder) ?? []);
  const wanted = new Set([root]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const one of all) {
      if (wanted.has(one.pid) || !wanted.has(one.parent)) continue;
      wanted.add(one.pid);
      grown = true;
    }
  }
  return all.filter((one) => wanted.has(one.pid));
}

function readProcess(folder: string): ProcessMemory | null {
  try {
    const status = readFileSync(`${folder}/status`, "utf8");
    const figure = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
    return {
      pid: Number(path.basename(folder)),
      parent: figure(status, "PPid"),
      command: readFileSync(`${folder}/cmdline`, "utf8").replaceAll("\0", " ").trim(),
      residentBytes: figure(status, "VmRSS") * 1024,
      proportionalBytes: figure(readFileSync(`${folder}/smaps_rollup`, "utf8"), "Pss") * 1024,
    };
  } catch {
    return null; // it ended between the listing and the reading
  }
}
