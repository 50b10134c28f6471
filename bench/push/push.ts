import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { millrace, type Platform, startPlatform } from "../../test/kit/platform.ts";
import { type Benchmark, cacheDirectory, median, timed } from "../benchmark.ts";
import { plainCopyMs, webRequests } from "../web-requests.ts";

const rows = 880_000;
const batchRows = 1_000;
const connections = 8;
const rounds = 3;

/** Push of 1,000-row batches from 8 connections to durable acknowledgement, against a plain `COPY` of the same bytes. */
export const benchmark: Benchmark = async (tell) => {
  const { file, bytes } = await webRequests(rows);
  const batches = cutBatches(readFileSync(file));
  const dataDirectory = mkdtempSync(path.join(cacheDirectory(), "push-"));
  const copies: number[] = [];
  const pushes: number[] = [];
  try {
    await using platform = await startPlatform({ dataDirectory });
    for (let round = 1; round <= rounds; round++) {
      const dataset = `push${round}`;
      copies.push(await plainCopyMs(file));
      pushes.push(await timed(() => pushAll(platform, dataset, batches)));
      const drainMs = await timed(async () => {
        const counted = await millrace(
          ["sql", `SELECT count(*) AS n FROM bench.${dataset}`, "--format", "csv"],
          platform,
        );
        if (counted.stdout !== `n\n${rows}\n`) await waitForRows(platform, dataset);
      });
      const rate = (elapsedMs = Number.NaN) =>
        `${(rows / elapsedMs / 1000).toFixed(2)} M rows/s ${(bytes / elapsedMs / 1000).toFixed(0)} MB/s`;
      tell(
        `round ${round}: copy ${rate(copies.at(-1))}; acknowledged ${rate(pushes.at(-1))}; all committed ${drainMs.toFixed(0)} ms later`,
      );
    }
  } finally {
    rmSync(dataDirectory, { recursive: true, force: true });
  }
  return { ratio: median(copies) / median(pushes), bar: 0.25, atMost: false };
};

function cutBatches(text: Buffer): Buffer[] {
  const batches: Buffer[] = [];
  let start = 0;
  let lines = 0;
  for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10, at + 1)) {
    if (++lines % batchRows !== 0) continue;
    batches.push(text.subarray(start, at + 1));
    start = at + 1;
  }
  if (start < text.length) batches.push(text.subarray(start));
  return batches;
}

async function pushAll(platform: Platform, dataset: string, batches: readonly Buffer[]): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  let next = 0;
  const connection = async () => {
    for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) {
      while (!(await push(platform, agent, dataset, batch)));
    }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  agent.destroy();
}

/** True when acknowledged as durable; false after waiting where the server asked to come back later. */
function push(platform: Platform, agent: http.Agent, dataset: string, body: Buffer): Promise<boolean> {
  const url = new URL(
    `/api/v1/projects/bench/datasets/${dataset}/rows?create=true&ack=staged&eventTime=ts`,
    platform.url,
  );
  const headers = { authorization: `Bearer ${platform.token}`, "content-type": "application/x-ndjson" };
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", agent, headers }, (reply) => {
      let text = "";
      reply.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      reply.on("end", () => {
        const status = reply.statusCode ?? 0;
        if (status < 300) resolve(true);
        else if (status === 429) setTimeout(() => resolve(false), 1000 * Number(reply.headers["retry-after"] ?? 1));
        else reject(new Error(`push answered ${status}: ${text}`));
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function waitForRows(platform: Platform, dataset: string): Promise<void> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const { stdout } = await millrace(
      ["sql", `SELECT count(*) AS n FROM bench.${dataset}`, "--format", "csv"],
      platform,
    );
    if (stdout === `n\n${rows}\n`) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("acknowledged rows are missing");
}
