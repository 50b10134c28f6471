import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { seededRandom } from "../../src/base/index.ts";
import { tempDirectory } from "../kit/index.ts";
import { millrace, type Platform, startPlatform } from "../kit/platform.ts";

const kills = 20;
const rowsPerPush = 50;
const importRows = 400_000;
const seed = Number(process.env.MILLRACE_TEST_SEED ?? Date.now() % 1_000_000);

/** A pusher of numbered rows that repeats what was not acknowledged under the same key, until it is told to end. */
class Pusher {
  readonly #writer: number;
  readonly #acknowledgement: "staged" | "committed";
  #next = 0;
  acknowledged = 0;
  ended = false;

  constructor(writer: number, acknowledgement: "staged" | "committed") {
    this.#writer = writer;
    this.#acknowledgement = acknowledgement;
  }

  async run(address: () => Platform | null): Promise<void> {
    while (!this.ended || this.acknowledged < this.#next) {
      const platform = address();
      const batch = this.acknowledged;
      this.#next = batch + 1;
      if (platform !== null && (await this.#push(platform, batch))) this.acknowledged++;
      else await new Promise((resolve) => setTimeout(resolve, 20)); // the server is down: come back, as a client would
    }
  }

  async #push(platform: Platform, batch: number): Promise<boolean> {
    const rows = Array.from({ length: rowsPerPush }, (_, i) =>
      JSON.stringify({ writer: this.#writer, number: batch * rowsPerPush + i }),
    );
    const url = new URL(
      `/api/v1/projects/blood/datasets/pushed/rows?create=true&ack=${this.#acknowledgement}`,
      platform.url,
    );
    try {
      const reply = await fetch(url, {
        method: "POST",
        headers: {
          authorization: `Bearer ${platform.token}`,
          "content-type": "application/x-ndjson",
          "idempotency-key": `${this.#writer}-${batch}`,
        },
        body: `${rows.join("\n")}\n`,
      });
      const text = await reply.text();
      if (reply.ok) return true;
      if (reply.status === 429 || reply.status >= 503) return false;
      throw new Error(`push answered ${reply.status}: ${text}`);
    } catch (error) {
      if (error instanceof TypeError) return false; // the connection broke: the server was killed
      throw error;
    }
  }
}

/** Engine workers of a server: its children that run the worker's main file. */
function workersOf(pid: number): number[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      const status = readFileSync(`/proc/${name}/status`, "utf8");
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8");
      return status.includes(`\nPPid:\t${pid}\n`) && command.includes("engines/worker") ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

test(`${kills} kills of server and workers lose, double and tear nothing (MILLRACE_TEST_SEED=${seed})`, {
  timeout: 300_000,
}, async () => {
  const random = seededRandom(seed);
  await using folder = await tempDirectory();
  const dataDirectory = path.join(folder.path, "data");
  const file = path.join(folder.path, "numbers.ndjson");
  await writeFile(file, Array.from({ length: importRows }, (_, i) => `{"number":${i},"text":"row ${i}"}\n`).join(""));
  let platform: Platform | null = await startPlatform({ dataDirectory });
  const pushers = [new Pusher(0, "staged"), new Pusher(1, "staged"), new Pusher(2, "committed")];
  const pushing = Promise.all(pushers.map((pusher) => pusher.run(() => platform)));
  let imports = 0;
  let ended = false;
  const importing = (async () => {
    while (!ended || imports === 0) {
      const target = platform;
      if (target === null) await new Promise((resolve) => setTimeout(resolve, 20));
      else if ((await millrace(["ingest", `blood.imported${imports}`, file], target)).code === 0) imports++;
    }
  })();
  for (let kill = 0; kill < kills; kill++) {
    await new Promise((resolve) => setTimeout(resolve, 100 + random.float() * 900));
    if (kill % 2 === 0) {
      const victim = platform;
      platform = null;
      await victim?.end("SIGKILL");
      platform = await startPlatform({ dataDirectory });
    } else {
      const workers = workersOf(platform?.process.pid ?? 0);
      const worker = workers[Math.floor(random.float() * workers.length)];
      if (worker !== undefined) process.kill(worker, "SIGKILL");
    }
  }
  for (const pusher of pushers) pusher.ended = true;
  ended = true;
  await Promise.all([pushing, importing]);

  if (platform === null) throw new Error("no server");
  await using last = platform;
  const ask = async (sql: string) => {
    const { code, stdout, stderr } = await millrace(["sql", sql, "--format", "csv"], last);
    expect(code, stderr).toBe(0);
    return stdout.trimEnd().split("\n").slice(1);
  };
  const offsets = 'count(*) = count(DISTINCT "offset") AND min("offset") = 0 AND max("offset") = count(*) - 1';
  const rows = "writer, count(*), count(DISTINCT number), min(number), max(number)";
  const wanted = pushers.map((pusher, writer) => {
    const count = pusher.acknowledged * rowsPerPush;
    return `${writer},${count},${count},0,${count - 1}`;
  });
  expect(await ask(`SELECT ${rows} FROM blood.pushed GROUP BY writer ORDER BY writer`)).toEqual(wanted);
  expect(await ask(`SELECT ${offsets} FROM blood.pushed`)).toEqual(["true"]);
  for (let i = 0; i < imports; i++) {
    expect(await ask(`SELECT count(*), count(DISTINCT number), ${offsets} FROM blood.imported${i}`)).toEqual([
      `${importRows},${importRows},true`,
    ]);
    expect((await millrace(["verify", `blood.imported${i}`], last)).code).toBe(0);
  }
  const verified = await millrace(["verify", "blood.pushed"], last);
  expect(verified.code, verified.stdout + verified.stderr).toBe(0);
});
