import { readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type TempDirectory, tempDirectory, until } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";
import { sharedDataAbsent, sharedFile } from "../kit/shared-data.ts";
import { columns, dataset, derivatives, differenceSql, lookup, replayed } from "./access-log.ts";

// A real web server's log, replayed line by line out of order, while derivatives that were there before its first row are kept right.

const seed = Number(process.env.ACCESS_LOG_SEED ?? 20_261_122);
const lines = Number(process.env.ACCESS_LOG_LINES ?? 10_000);
const batchLines = 250;
/** Lines come at most about so many places too early or too late: a day of this log and more. */
const windowLines = 3_000;
/** What holds is looked at whenever so many batches have come: each derivative has had a run by then. */
const lookEach = 5;

const answer = z.object({ rows: z.array(z.record(z.string(), z.unknown())) });
const receipt = z.object({ rows: z.number(), quarantined: z.number() });
const graph = z.object({ edges: z.array(z.object({ from: z.string(), to: z.string(), behindRows: z.number() })) });

describe.skipIf(sharedDataAbsent)(
  `a real log replayed${sharedDataAbsent === null ? "" : ` (${sharedDataAbsent})`}`,
  () => {
    let folder: TempDirectory;
    let platform: Platform;
    beforeAll(async () => {
      folder = await tempDirectory();
      platform = await startPlatform({ dataDirectory: path.join(folder.path, "data") });
    }, 60_000);
    afterAll(async () => {
      await platform?.[Symbol.asyncDispose]();
      await folder?.[Symbol.asyncDispose]();
    });

    async function call(method: string, route: string, body?: string | object): Promise<unknown> {
      const isText = typeof body === "string";
      const reply = await fetch(new URL(`/api/v1/${route}`, platform.url), {
        method,
        headers: {
          authorization: `Bearer ${platform.token}`,
          "content-type": isText ? "text/plain" : "application/json",
        },
        ...(body === undefined ? {} : { body: isText ? body : JSON.stringify(body) }),
      });
      const text = await reply.text();
      expect(reply.status, text).toBeLessThan(300);
      return JSON.parse(text);
    }
    const rows = async (sql: string) => answer.parse(await call("POST", "sql", sql)).rows;
    const push = async (batch: readonly string[]) =>
      receipt.parse(
        await call("POST", "projects/web/datasets/access/rows?format=combined&ack=committed", batch.join("\n")),
      );

    /** Waits until every derivative has read all that has come. */
    async function settled(count: number): Promise<void> {
      expect(await rows(`SELECT count(*) AS n FROM ${dataset}`)).toEqual([{ n: count }]);
      await until("the derivatives have read what there is", async () => {
        const { edges } = graph.parse(await call("GET", "projects/web/datasets/access/lineage?depth=1"));
        const read = edges.filter(({ from, behindRows }) => from === `dataset:${dataset}` && behindRows === 0);
        return read.length === derivatives.length;
      });
    }

    /** Names of the derivatives that are not what one query over the input gives. */
    async function different(): Promise<string[]> {
      const found: string[] = [];
      for (const one of derivatives) {
        const [row] = await rows(differenceSql(one));
        if (row?.n !== 0) found.push(one.name);
      }
      return found;
    }

    test("each derivative is what one query over the input gives, at any moment and at the end, across a crash", async () => {
      const log = readFileSync(sharedFile("apache_access.log") ?? "", "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .slice(0, lines);
      const batches = replayed(log, { seed, windowLines, batchLines });
      process.stdout.write(`${log.length} lines in ${batches.length} batches, shuffled by seed ${seed}\n`);
      await call("PUT", "resources/Project/web", {});
      await call("PUT", "projects/web/resources/Dataset/access", { spec: { columns } });
      for (const { statement } of derivatives) await call("POST", "sql", statement);

      let pushed = 0;
      for (const [at, batch] of batches.entries()) {
        expect(await push(batch)).toEqual({ rows: batch.length, quarantined: 0 });
        pushed += batch.length;
        if (at === Math.floor(batches.length / 2)) {
          await platform.end("SIGKILL");
          platform = await startPlatform({ dataDirectory: path.join(folder.path, "data") });
        }
        if (at % lookEach !== lookEach - 1) continue;
        await settled(pushed);
        expect({ at, different: await different() }).toEqual({ at, different: [] });
      }
      await settled(log.length);
      expect(await different()).toEqual([]);
    }, 240_000);

    test("the lookup answers as SQL does, and as whoever counts the lines of the log", async () => {
      const found = await rows(
        `SELECT client_ip, requests, sent, last_seen, agent FROM ${lookup} ORDER BY requests DESC, client_ip LIMIT 20`,
      );
      const log = readFileSync(sharedFile("apache_access.log") ?? "", "utf8")
        .split("\n")
        .slice(0, lines);
      for (const row of found) {
        const ip = String(row.client_ip);
        await until(`the lookup has what holds of ${ip}`, async () => {
          const kept = await call("GET", `lookups/web/visitors/rows/${encodeURIComponent(ip)}`);
          return JSON.stringify(kept) === JSON.stringify(row);
        });
        expect(row.requests, ip).toBe(log.filter((line) => line.startsWith(`${ip} `)).length);
      }
      expect(found.length).toBe(20);
    }, 60_000);

    test("every run of each derivative makes the same rows again, and there were many", async () => {
      for (const { name } of derivatives) {
        const { code, stdout, stderr } = await millrace(["verify", name, "--rebuild"], platform);
        expect(code, stdout + stderr).toBe(0);
        process.stdout.write(stdout);
        const runs = Number(/(\d+) runs? made the same rows again/.exec(stdout)?.[1]);
        expect(runs, stdout).toBeGreaterThanOrEqual(Math.floor(lines / batchLines / lookEach));
      }
    }, 120_000);
  },
);
