import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { millrace, type Platform, startPlatform } from "../../test/kit/platform.ts";
import { freePort, redisAbsent, redisPrograms, runRedis } from "../../test/kit/redis-programs.ts";
import { type Benchmark, cacheDirectory, median, timed } from "../benchmark.ts";

const rows = 500_000;
const rounds = 15;
const asked = { single: 20_000, pipelined: 200_000 };

/**
 * Gets by key through the Redis protocol against Debian's redis-server, of the same rows with the same load generator by turns:
 * requests a second one at a time and 32 deep on one connection, and bytes an entry. In Redis the keys are the bare ones; here they
 * are asked for with the lookup's name before them.
 */
export const benchmark: Benchmark = async (tell) => {
  if (redisAbsent !== null) throw new Error(redisAbsent);
  const folder = mkdtempSync(path.join(cacheDirectory(), "lookup-"));
  const [ownPort, redisPort] = [await freePort(), await freePort()];
  const redis = spawn(
    redisPrograms.server,
    ["--port", String(redisPort), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder],
    { stdio: "ignore" },
  );
  try {
    const file = path.join(folder, "rows.ndjson");
    await pipeline(function* () {
      for (let n = 0; n < rows; n++) yield `${rowText(n)}\n`;
    }, createWriteStream(file));
    await using platform = await startPlatform({
      dataDirectory: path.join(folder, "data"),
      flags: ["--redis.port", String(ownPort)],
    });
    const imported = await millrace(["ingest", "bench.users", file], platform);
    if (imported.code !== 0) throw new Error(imported.stderr);
    const loadMs = await timed(() => loadLookup(platform));
    const redisBytes = await fillRedis(redisPort);
    const { bytes, entries } = await lookupState(platform);
    if (entries !== rows) throw new Error(`the lookup has ${entries} entries`);
    tell(
      `${rows} rows: loaded in ${loadMs.toFixed(0)} ms; ${(bytes / rows).toFixed(1)} bytes an entry, Redis ${(redisBytes / rows).toFixed(1)}`,
    );

    const of = {
      own: { single: [] as number[], pipelined: [] as number[] },
      redis: { single: [] as number[], pipelined: [] as number[] },
    };
    for (let round = 0; round < rounds; round++) {
      for (const [kind, depth] of [
        ["single", 1],
        ["pipelined", 32],
      ] as const) {
        const own = ["-p", String(ownPort), "-a", platform.token];
        of.redis[kind].push(await rate(["-p", String(redisPort)], "__rand_int__", asked[kind], depth));
        of.own[kind].push(await rate(own, "bench.users:__rand_int__", asked[kind], depth));
      }
    }
    const told = (rates: readonly number[]) => `${(median(rates) / 1000).toFixed(1)} k/s`;
    tell(`one at a time: ${told(of.own.single)}, Redis ${told(of.redis.single)}`);
    tell(`32 deep: ${told(of.own.pipelined)}, Redis ${told(of.redis.pipelined)}`);
    return [
      { part: "one at a time", ratio: median(of.own.single) / median(of.redis.single), bar: 1, atMost: false },
      { part: "32 deep", ratio: median(of.own.pipelined) / median(of.redis.pipelined), bar: 0.5, atMost: false },
      { part: "bytes an entry", ratio: bytes / redisBytes, bar: 1, atMost: true },
    ];
  } finally {
    redis.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
};

const keyOf = (n: number) => String(n).padStart(12, "0"); // as redis-benchmark writes __rand_int__

function rowText(n: number): string {
  const country = ["DE", "FR", "IT", "PL"][n % 4];
  return JSON.stringify({
    id: keyOf(n),
    name: `User number ${n}`,
    country,
    visits: (n * 7919) % 1000,
    active: n % 3 === 0,
  });
}

async function loadLookup(platform: Platform): Promise<void> {
  const headers = { authorization: `Bearer ${platform.token}`, "content-type": "application/json" };
  const body = JSON.stringify({ spec: { dataset: "users", key: ["id"] } });
  const route = new URL("/api/v1/projects/bench/resources/Lookup/users", platform.url);
  const reply = await fetch(route, { method: "PUT", headers, body });
  if (!reply.ok) throw new Error(await reply.text());
  while ((await lookupState(platform)).state !== "ready") await new Promise((resolve) => setTimeout(resolve, 20));
}

const stateReply = z
  .object({ state: z.string(), entries: z.int(), bytes: z.int() })
  .catch({ state: "absent", entries: 0, bytes: 0 });

async function lookupState(platform: Platform): Promise<z.infer<typeof stateReply>> {
  const headers = { authorization: `Bearer ${platform.token}` };
  return stateReply.parse(
    await (await fetch(new URL("/api/v1/lookups/bench/users", platform.url), { headers })).json(),
  );
}

/** @returns bytes that the rows take there, as Redis counts its memory */
async function fillRedis(port: number): Promise<number> {
  const used = async () => {
    const { stdout } = await runRedis("cli", ["-p", String(port), "INFO", "memory"]);
    return Number(/^used_memory:(\d+)/m.exec(stdout)?.[1]);
  };
  const before = await used();
  const socket = connect(port, "127.0.0.1");
  socket.resume();
  for (let n = 0; n < rows; n++) {
    const row = rowText(n);
    const text = `*3\r\n$3\r\nSET\r\n$12\r\n${keyOf(n)}\r\n$${Buffer.byteLength(row)}\r\n${row}\r\n`;
    if (!socket.write(text)) await new Promise((resolve) => socket.once("drain", resolve));
  }
  await new Promise<void>((resolve) => socket.end(resolve));
  for (;;) {
    const { stdout } = await runRedis("cli", ["-p", String(port), "DBSIZE"]);
    if (Number(stdout) === rows) return (await used()) - before;
  }
}

/** Requests a second on one connection. */
async function rate(to: readonly string[], key: string, requests: number, depth: number): Promise<number> {
  const load = ["-n", String(requests), "-c", "1", "-P", String(depth), "-r", String(rows), "--csv", "GET", key];
  const { stdout } = await runRedis("benchmark", [...to, ...load]);
  const line = stdout.split("\n").find((one) => one.startsWith('"GET'));
  const value = Number(line?.split(",")[1]?.replaceAll('"', ""));
  if (!Number.isFinite(value)) throw new Error(`redis-benchmark said: ${stdout}`);
  return value;
}
