import http from "node:http";
import path from "node:path";
import { type TempDirectory, tempDirectory } from "../kit/folder.ts";
import { type Platform, startPlatform } from "../kit/platform.ts";
import { filesBelow, openFiles, pssBytes, workersOf } from "../kit/processes.ts";
import { freePort } from "../kit/redis-programs.ts";
import { type Answer, Finding } from "./finding.ts";
import type { FuzzInput } from "./input.ts";

/** A running platform that inputs are thrown at: a real server process with its workers and its PostgreSQL. */
export class Target implements AsyncDisposable {
  readonly #folder: TempDirectory;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  readonly redisPort: number;
  #platform: Platform;
  #restarts = 0;

  private constructor(folder: TempDirectory, redisPort: number, platform: Platform) {
    this.#folder = folder;
    this.redisPort = redisPort;
    this.#platform = platform;
  }

  static async start(): Promise<Target> {
    const folder = await tempDirectory();
    const redisPort = await freePort();
    return new Target(folder, redisPort, await Target.#startOn(folder, redisPort));
  }

  static #startOn(folder: TempDirectory, redisPort: number): Promise<Platform> {
    const flags = [...settings, "--redis.port", String(redisPort)];
    return startPlatform({ dataDirectory: path.join(folder.path, "data"), flags });
  }

  get platform(): Platform {
    return this.#platform;
  }

  get isAlive(): boolean {
    const { exitCode, signalCode } = this.#platform.process;
    return exitCode === null && signalCode === null;
  }

  /** Starts a server that an input has ended again. */
  async revive(): Promise<void> {
    if (this.isAlive) return;
    this.#platform = await Target.#startOn(this.#folder, this.redisPort);
    this.#restarts = 0;
  }

  /** Sends an input as the owner, unless it says who asks. @returns null where the input itself cuts the connection */
  send(input: FuzzInput, signal: AbortSignal): Promise<Answer | null> {
    return new Promise((resolve, reject) => {
      const { framing, body, method } = input;
      const headers: Record<string, string> = { authorization: `Bearer ${this.#platform.token}`, ...input.headers };
      if (framing.kind === "length" && body !== null) headers["content-length"] = String(body.length);
      else if (body !== null) headers["transfer-encoding"] = "chunked";
      const { hostname, port } = new URL(this.#platform.url);
      const request = http.request({ hostname, port, path: input.path, method, headers, agent: this.#agent, signal });
      let isCut = false;
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", (cause) => reject(new Finding(`the answer broke off: ${cause.message}`)));
        response.on("end", () => {
          const answer = { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
          resolve(answer);
        });
      });
      request.on("error", (cause) => {
        if (isCut) resolve(null);
        else if (signal.aborted) reject(new Finding(`no answer in time: ${String(signal.reason)}`));
        else
          reject(new Finding(`the connection broke: ${cause.message}${this.isAlive ? "" : "; the server has ended"}`));
      });
      writeBody(request, input, () => {
        isCut = true;
        request.destroy();
      });
    });
  }

  /** Asks as the owner. @throws Finding when the platform does not answer a plain question */
  async ask(sql: string, signal: AbortSignal): Promise<unknown> {
    const body = Buffer.from(JSON.stringify({ sql }));
    const headers = { "content-type": "application/json" };
    const answer = await this.send(
      { method: "POST", path: "/api/v1/sql", headers, body, framing: { kind: "length" } },
      signal,
    );
    if (answer === null || answer.status !== 200)
      throw new Finding(`${sql} answered ${answer?.status}: ${answer?.body.toString("utf8")}`);
    return JSON.parse(answer.body.toString("utf8"));
  }

  /** When nothing is under way: no worker was lost, and no file of work that is done lies about. @throws Finding */
  async checkCalm(): Promise<void> {
    const metrics = await (await fetch(new URL("/metrics", this.#platform.url))).text();
    const restarts = Number(/^millrace_worker_restarts (\d+)$/m.exec(metrics)?.[1] ?? 0);
    if (restarts > this.#restarts) {
      const lost = restarts - this.#restarts;
      this.#restarts = restarts;
      throw new Finding(`${lost} engine workers were lost\n${this.#platform.stderr().slice(-2_000)}`);
    }
    const left = await this.#leftovers();
    if (left.length > 0) throw new Finding(`files of work that is done: ${left.slice(0, 10).join(", ")}`);
  }

  /** Work files; those of history's own commits come and go, so that only what stays counts. */
  async #leftovers(): Promise<string[]> {
    const { dataDirectory } = this.#platform;
    const folders = ["staging/work", "staging/incoming", "engines/spool", "objects/.tmp"].map((name) =>
      path.join(dataDirectory, name),
    );
    let left = filesBelow(folders);
    for (let look = 0; look < 40 && left.length > 0; look++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const now = new Set(filesBelow(folders));
      left = left.filter((name) => now.has(name));
    }
    return left;
  }

  /** What must not grow with what was refused or is done. */
  async measure(): Promise<Readonly<Record<string, number>>> {
    const pid = this.#platform.process.pid ?? 0;
    const workers = workersOf(pid);
    const mb = (bytes: number) => Math.round(bytes / 1e6);
    return {
      "server MB": mb(pssBytes(pid)),
      "largest worker MB": mb(Math.max(0, ...workers.map(pssBytes))),
      workers: workers.length,
      "server files": openFiles(pid),
      "worker files": Math.max(0, ...workers.map(openFiles)),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    await this.#platform[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** Small limits, so that what would eat the machine is refused soon. */
const settings = [
  ["--queries.timeout", "3000"],
  ["--queries.memory", "300MB"],
  ["--queries.resultBytes", "20MB"],
  ["--queries.spill", "100MB"],
  ["--ingest.memory", "300MB"],
  ["--ingest.commitInterval", "200"],
].flat();

function writeBody(request: http.ClientRequest, { framing, body }: FuzzInput, cut: () => void): void {
  if (body === null || framing.kind === "length") {
    request.end(body ?? undefined);
    return;
  }
  if (framing.kind === "brokenOff") {
    request.write(body.subarray(0, framing.afterBytes), () => cut());
    request.flushHeaders();
    if (framing.afterBytes === 0) setImmediate(cut);
    return;
  }
  for (let at = 0; at < body.length; at += framing.pieceBytes)
    request.write(body.subarray(at, at + framing.pieceBytes));
  request.end();
}
