import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";

/** One process of the machine, as /proc tells. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** Every process that can be seen now. */
export function allProcesses(): readonly ProcessInfo[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const status = readText(`/proc/${name}/status`);
    const command = readText(`/proc/${name}/cmdline`);
    if (status === null || command === null) return [];
    return [
      {
        pid: Number(name),
        parent: Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]),
        command: command.replaceAll("\0", " "),
      },
    ];
  });
}

/** Engine workers of a server: its children that run the worker's main file. */
export function workersOf(serverPid: number): readonly number[] {
  return allProcesses()
    .filter(({ parent, command }) => parent === serverPid && command.includes("engines/worker"))
    .map(({ pid }) => pid);
}

/** PostgreSQL's first process on a data folder of the platform's; null where none runs. */
export function postmasterOf(dataDirectory: string): number | null {
  const cluster = clusterOf(dataDirectory);
  const pid = Number(readText(path.join(cluster, "postmaster.pid"))?.split("\n")[0]);
  if (!Number.isInteger(pid) || pid <= 0) return null;
  try {
    return path.resolve(readlinkSync(`/proc/${pid}/cwd`)) === path.resolve(cluster) ? pid : null;
  } catch {
    return null;
  }
}

/** Where a platform's own PostgreSQL keeps its files: in the data folder, or where its user can reach it. */
export function clusterOf(dataDirectory: string): string {
  const elsewhere = readText(path.join(dataDirectory, "postgres", "location"))?.trim();
  return elsewhere ?? path.join(dataDirectory, "postgres", "cluster");
}

/** A process and all below it. */
export function descendants(pid: number): readonly number[] {
  const all = allProcesses();
  const found = [pid];
  for (const one of found) found.push(...all.filter(({ parent }) => parent === one).map((child) => child.pid));
  return found;
}

/** Memory that belongs to a process: shared pages count by their share. */
export function pssBytes(pid: number): number {
  const text = readText(`/proc/${pid}/smaps_rollup`);
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text ?? "")?.[1] ?? 0) * 1024;
}

export function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

/** Names of the files below folders. */
export function filesBelow(folders: readonly string[]): string[] {
  const names: string[] = [];
  for (const folder of folders) {
    try {
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (entry.isFile()) names.push(path.join(entry.parentPath, entry.name));
      }
    } catch {
      // not there: no files
    }
  }
  return names;
}

function readText(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
