import path from "node:path";
import type { Disk } from "../../base/index.ts";
import { readSegment } from "./segment.ts";

/** What a staging log holds that is acknowledged and may not be committed. */
export interface StagingView {
  readonly requests: number;
  readonly bytes: number;
  readonly datasets: readonly string[];
}

/** Reads a staging log that nobody writes to, and changes nothing. @throws chain_broken, unsupported_version */
export async function lookAtStaging(disk: Disk, directory: string): Promise<StagingView> {
  const log = path.join(directory, "log");
  const names = (await disk.list(log)).map((entry) => entry.name).filter((name) => name.endsWith(".log"));
  const datasets = new Set<string>();
  let requests = 0;
  let bytes = 0;
  if (names.length > 0) {
    const seal = Number.parseInt(new TextDecoder().decode(await disk.readFile(path.join(log, "seal"))).slice(0, 8), 16);
    for (const name of names) {
      for (const { header } of await readSegment(disk, path.join(log, name), name, seal)) {
        requests++;
        bytes += header.bodyBytes;
        datasets.add(header.dataset);
      }
    }
  }
  return { requests, bytes, datasets: [...datasets].sort() };
}
