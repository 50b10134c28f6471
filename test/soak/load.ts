import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Random } from "../../src/base/index.ts";
import { millrace, type Platform } from "../kit/platform.ts";
import { workersOf } from "../kit/processes.ts";

/** What the load has done, by kind. */
export type Done = Record<string, number>;

const rotating = 6;
const importRows = 20_000;

/** The same mixed load every second: pushes, queries, what is cancelled, what is refused; and now and then more. */
export class MixedLoad {
  readonly #platform: Platform;
  readonly #random: Random;
  readonly #file: string;
  readonly done: Done = {};
  /** Answers that nothing here asks for. */
  readonly wrong: string[] = [];
  #second = 0;

  constructor(platform: Platform, folder: string, random: Random) {
    this.#platform = platform;
    this.#random = random;
    this.#file = path.join(folder, "numbers.ndjson");
  }

  async open(): Promise<void> {
    const rows = Array.from({ length: importRows }, (_, number) => `{"number":${number},"text":"row ${number}"}\n`);
    await writeFile(this.#file, rows.join(""));
    await this.#push("kept", 100, "committed");
  }

  /** What belongs to one second; resolves when all of it is answered. */
  async second(): Promise<void> {
    const second = this.#second++;
    const dataset = `turn${second % rotating}`;
    await Promise.all([
      this.#push(dataset, 200, "staged"),
      this.#push(dataset, 20, "committed"),
      this.#push(dataset, 2_000, "staged"),
      this.#ask(`SELECT count(*), sum(number) FROM soak.${dataset}`, [200]),
      this.#ask("SELECT text, count(*) FROM soak.kept GROUP BY text ORDER BY 2 DESC LIMIT 10", [200]),
      this.#ask(`SELECT * FROM range(${50_000 + (second % 7)})`, [200]),
      this.#ask("SELECT nothing FROM soak.kept", [400]),
      this.#ask("SELECT * FROM soak.no_such", [404]),
      this.#ask("SELECT count(*) FROM range(100000000000) a WHERE hash(a.range) = 0", [408], { timeoutMs: 100 }),
      this.#leave(),
      this.#refused(),
      ...(second % 10 === 3 ? [this.#drop(`turn${(second + 1) % rotating}`)] : []),
      ...(second % 30 === 7 ? [this.#import(`imported${(second / 30) % 2 < 1 ? 0 : 1}`)] : []),
      ...(second % 30 === 22 ? [this.#drop(`imported${(second / 30) % 2 < 1 ? 0 : 1}`)] : []),
      ...(second % 20 === 11 ? [this.#killWorker()] : []),
    ]);
  }

  async #push(dataset: string, rows: number, ack: string): Promise<void> {
    const body = Array.from({ length: rows }, (_, number) => `{"number":${number},"text":"t${number % 50}"}\n`).join(
      "",
    );
    const path = `/api/v1/projects/soak/datasets/${dataset}/rows?create=true&ack=${ack}`;
    const headers = { "content-type": "application/x-ndjson", "idempotency-key": randomUUID() };
    // A dataset may be dropped while its rows are under way.
    await this.#request("push", path, { method: "POST", headers, body }, [200, 202, 404]);
  }

  #ask(sql: string, statuses: readonly number[], more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const body = JSON.stringify({ sql, ...more });
    const headers = { "content-type": "application/json" };
    const kind = statuses[0] === 200 ? "query" : `query ${statuses[0]}`;
    // 404: the dataset of this turn may have been dropped; 503: the worker was killed.
    return this.#request(kind, "/api/v1/sql", { method: "POST", headers, body }, [...statuses, 404, 503]);
  }

  /** A client that goes away in the middle of its query, and one that starts a query and cancels it. */
  async #leave(): Promise<void> {
    const headers = { "content-type": "application/json", authorization: `Bearer ${this.#platform.token}` };
    const sql = "SELECT count(*) FROM range(100000000000) a WHERE hash(a.range) = 0";
    const signal = AbortSignal.timeout(50 + Math.floor(this.#random.float() * 100));
    const body = JSON.stringify({ sql });
    const url = new URL("/api/v1/sql", this.#platform.url);
    await fetch(url, { method: "POST", headers, body, signal }).catch(() => this.#count("client left"));
    const started = await fetch(url, { method: "POST", headers, body: JSON.stringify({ sql, wait: false }) });
    const { queryId } = JSON.parse(await started.text());
    if (typeof queryId !== "string") return;
    await this.#request("cancel", `/api/v1/sql/${queryId}`, { method: "DELETE" }, [200, 404]);
  }

  async #refused(): Promise<void> {
    const rows = "/api/v1/projects/soak/datasets/kept/rows?format=ndjson";
    const gzip = { "content-encoding": "gzip" };
    await this.#request("refused", rows, { method: "POST", headers: gzip, body: "no gzip" }, [400]);
    await this.#request("refused", "/api/v1/tasks/none", { method: "GET" }, [404]);
    await this.#request("refused", "/api/v1/apply", { method: "POST", body: "kind: [" }, [400]);
  }

  #drop(dataset: string): Promise<void> {
    return this.#request("drop", `/api/v1/projects/soak/datasets/${dataset}`, { method: "DELETE" }, [204, 404]);
  }

  async #import(dataset: string): Promise<void> {
    const { code } = await millrace(["ingest", `soak.${dataset}`, this.#file], this.#platform);
    this.#count(code === 0 ? "import" : "import broken off");
  }

  async #killWorker(): Promise<void> {
    const workers = workersOf(this.#platform.process.pid ?? 0);
    const worker = workers[Math.floor(this.#random.float() * workers.length)];
    if (worker === undefined) return;
    try {
      process.kill(worker, "SIGKILL");
      this.#count("worker killed");
    } catch {
      // it ended by itself
    }
  }

  async #request(kind: string, path: string, init: RequestInit, statuses: readonly number[]): Promise<void> {
    const headers = { authorization: `Bearer ${this.#platform.token}`, ...init.headers };
    const reply = await fetch(new URL(path, this.#platform.url), {
      ...init,
      headers,
      signal: AbortSignal.timeout(60_000),
    });
    const text = await reply.text();
    this.#count(kind);
    if (reply.status === 429) this.#count("429");
    else if (!statuses.includes(reply.status))
      this.wrong.push(`${kind} ${path}: ${reply.status} ${text.slice(0, 300)}`);
  }

  #count(kind: string): void {
    this.done[kind] = (this.done[kind] ?? 0) + 1;
  }
}
