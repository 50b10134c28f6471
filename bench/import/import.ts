import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { millrace, startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory, median, timed } from "../benchmark.ts";
import { plainCopyMs, webRequests } from "../web-requests.ts";

const rows = 4_400_000;
const rounds = 3;

/** File import of 1 GB NDJSON by the command line, committed with both hashes, against a plain DuckDB `COPY`. */
export const benchmark: Benchmark = async (tell) => {
  const { file, bytes } = await webRequests(rows);
  const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "import-"));
  const copies: number[] = [];
  const imports: number[] = [];
  try {
    await using platform = await startPlatform({ dataDirectory });
    await plainCopyMs(file); // brings the file into the page cache for both
    for (let round = 1; round <= rounds; round++) {
      copies.push(await plainCopyMs(file));
      imports.push(
        await timed(async () => {
          const { code, stderr } = await millrace(
            ["ingest", `bench.import${round}`, file, "--event-time", "ts"],
            platform,
          );
          if (code !== 0) throw new Error(`the import failed:\n${stderr}`);
        }),
      );
      const counted = await millrace(
        ["sql", `SELECT count(*) AS n FROM bench.import${round}`, "--format", "csv"],
        platform,
      );
      if (counted.stdout !== `n\n${rows}\n`) throw new Error(`rows are missing: ${counted.stdout}${counted.stderr}`);
      tell(`round ${round}: copy ${mbps(bytes, copies.at(-1))} MB/s, import ${mbps(bytes, imports.at(-1))} MB/s`);
    }
  } finally {
    rmSync(dataDirectory, { recursive: true, force: true });
  }
  return { ratio: median(copies) / median(imports), bar: 0.7, atMost: false };
};

function mbps(bytes: number, elapsedMs = Number.NaN): string {
  return (bytes / 1000 / elapsedMs).toFixed(0);
}
