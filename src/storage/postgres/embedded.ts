import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, chown, mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import path from "node:path";
import { type Clock, delay, type Logger, MillraceError, type Random } from "../../base/index.ts";
import { Keeper } from "./keeper.ts";
import { runningPostmaster } from "./postmaster.ts";
import { findPrograms, type Programs, sharedRoot } from "./programs.ts";
import { isReachable, postgresUser, type SystemUser } from "./system-user.ts";

export interface EmbeddedOptions {
  /** Folder for the cluster, its password and its log. Absolute. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal?: AbortSignal;
}

/** A PostgreSQL server of our own, kept running; disposing it stops it. */
export interface EmbeddedServer extends AsyncDisposable {
  readonly url: string;
}

const login = "millrace";

/** Small and durable: the idle server keeps few processes, and a commit is on disk when it is answered. */
const serverSettings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  shared_buffers: "24MB",
  max_connections: "48",
  max_worker_processes: "1",
  max_parallel_workers: "0",
  max_logical_replication_workers: "0",
  max_wal_senders: "0",
  wal_level: "minimal",
  // Worker processes for I/O cost memory; loads here are small.
  io_method: "sync",
  jit: "off",
  autovacuum_max_workers: "1",
  fsync: "on",
  synchronous_commit: "on",
  log_min_messages: "warning",
};

const stillEnding = /pre-existing shared memory block|lock file "postmaster.pid" already exists/;

/**
 * Starts the server on a folder, making the cluster the first time. A server that outlived a killed process of ours is
 * adopted. @throws unavailable with the tail of PostgreSQL's own log
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const user = await postgresUser();
  await mkdir(options.directory, { recursive: true, mode: 0o711 });
  const cluster = await clusterFolder(options.directory, user);
  const password = await readPassword(options);
  const adopted = await runningPostmaster(cluster);
  if (adopted !== null) {
    options.log.info("adopted the PostgreSQL server that an earlier process left", { pid: adopted.pid });
    return kept(adopted.pid, { cluster, port: adopted.port, user, options }, password);
  }
  const programs = await findPrograms(user);
  await initialise(cluster, password, programs, user, options);
  const untilMs = options.clock.monotonicMs() + 30_000;
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const failure = await launch({ cluster, port, user, options }, "first");
    if (typeof failure === "number") return kept(failure, { cluster, port, user, options }, password);
    // Processes of a server that was killed outlive it for a moment, and hold its memory.
    if (stillEnding.test(failure) && options.clock.monotonicMs() < untilMs)
      await delay(options.clock, 100, options.signal);
    else if (attempt >= 3 || !failure.includes("Address already in use")) {
      throw new MillraceError("unavailable", `PostgreSQL did not start: ${failure}`, {
        hint: `Its log is ${path.join(options.directory, "server.log")}.`,
      });
    }
  }
}

/** Address of the server that runs on a folder; null where none does. */
export async function runningEmbedded(directory: string): Promise<string | null> {
  const running = await runningPostmaster(await clusterFolder(directory, await postgresUser()));
  const password = await readFile(path.join(directory, "password"), "utf8").catch(() => null);
  return running === null || password === null ? null : addressOf(running.port, password);
}

function addressOf(port: number, password: string): string {
  return `postgres://${login}:${password}@127.0.0.1:${port}/postgres`;
}

/** Where and as whom a server runs. */
interface Place {
  readonly cluster: string;
  readonly port: number;
  readonly user: SystemUser;
  readonly options: EmbeddedOptions;
}

function kept(pid: number, place: Place, password: string): EmbeddedServer {
  const { clock, log } = place.options;
  const keeper = new Keeper({ pid, launch: () => launch(place, "again"), clock, log });
  return {
    url: addressOf(place.port, password),
    [Symbol.asyncDispose]: () => keeper[Symbol.asyncDispose](),
  };
}

/** In the data folder, or where the other user can reach it, when the folders above are closed to it. */
async function clusterFolder(directory: string, user: SystemUser): Promise<string> {
  if (user.kind === "self") return path.join(directory, "cluster");
  await chmod(directory, 0o711);
  await chmod(path.dirname(directory), 0o711);
  if (await isReachable(directory)) return path.join(directory, "cluster");
  const name = createHash("sha256").update(path.resolve(directory)).digest("hex").slice(0, 16);
  const elsewhere = path.join(sharedRoot, `cluster-${name}`);
  await mkdir(sharedRoot, { recursive: true, mode: 0o755 });
  await writeFile(path.join(directory, "location"), `${elsewhere}\n`);
  return elsewhere;
}

async function readPassword({ directory, random }: EmbeddedOptions): Promise<string> {
  const file = path.join(directory, "password");
  const known = await readFile(file, "utf8").catch(() => null);
  if (known !== null && known !== "") return known;
  const password = Buffer.from(random.bytes(24)).toString("hex");
  await writeDurably(file, password);
  return password;
}

/** `initdb`, once. A cluster that it did not finish is thrown away: it has never served. */
async function initialise(
  cluster: string,
  password: string,
  programs: Programs,
  user: SystemUser,
  options: EmbeddedOptions,
): Promise<void> {
  const done = path.join(options.directory, "initialised");
  if ((await readFile(done, "utf8").catch(() => null)) !== null) return;
  await rm(cluster, { recursive: true, force: true });
  await mkdir(cluster, { recursive: true, mode: 0o700 });
  const passwordFile = path.join(cluster, "..", `.password-${Buffer.from(options.random.bytes(8)).toString("hex")}`);
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (user.kind === "other") for (const name of [cluster, passwordFile]) await chown(name, user.uid, user.gid);
  try {
    const child = run(
      programs.initdb,
      ["-D", cluster, "-U", login, "-A", "scram-sha-256", `--pwfile=${passwordFile}`, "-E", "UTF8", "--locale=C"],
      cluster,
      user,
      "pipe",
    );
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk) => (output = `${output}${chunk}`.slice(-4_000)));
    const code = await new Promise((resolve, reject) => child.once("error", reject).once("close", resolve));
    if (code !== 0) throw new MillraceError("unavailable", `PostgreSQL's initdb failed: ${output.trim()}`);
  } finally {
    await rm(passwordFile, { force: true });
  }
  await writeDurably(done, "");
}

/** On disk under its name before the cluster depends on it, or one that has served could be taken for an unfinished one. */
async function writeDurably(file: string, text: string): Promise<void> {
  {
    await using handle = await open(file, "w", 0o600);
    await handle.writeFile(text);
    await handle.sync();
  }
  await using folder = await open(path.dirname(file), "r");
  await folder.sync();
}

/** The pid of a server that accepts connections, or the end of its log, which a server started again goes on with. */
async function launch({ cluster, port, user, options }: Place, time: "first" | "again"): Promise<number | string> {
  const programs = await findPrograms(user);
  const logFile = path.join(options.directory, "server.log");
  const flags = Object.entries({ ...serverSettings, port: String(port) }).flatMap(([name, value]) => [
    "-c",
    `${name}=${value}`,
  ]);
  await using log = await open(logFile, time === "first" ? "w" : "a", 0o600);
  const child = run(programs.postgres, ["-D", cluster, ...flags], cluster, user, log.fd);
  let ended = false;
  const end = new Promise<void>((resolve) => {
    for (const event of ["exit", "error"]) child.once(event, () => resolve());
  }).then(() => {
    ended = true;
  });
  const untilMs = options.clock.monotonicMs() + 60_000;
  try {
    while (!ended && options.clock.monotonicMs() < untilMs) {
      if (child.pid !== undefined && (await isReady(cluster, child.pid))) {
        child.unref();
        return child.pid;
      }
      await Promise.race([end, delay(options.clock, 10, options.signal)]);
    }
  } catch (error) {
    // Interrupted: the server goes as it came, or it would outlive this process and hold it open.
    child.kill("SIGINT");
    await end;
    throw error;
  }
  if (!ended) child.kill("SIGQUIT");
  return (await readFile(logFile, "utf8")).trim().slice(-2_000);
}

/** The eighth line of postmaster.pid says `ready` when connections are accepted; the first, of whom it speaks. */
async function isReady(cluster: string, pid: number): Promise<boolean> {
  const lines = (await readFile(path.join(cluster, "postmaster.pid"), "utf8").catch(() => "")).split("\n");
  return Number(lines[0]) === pid && lines[7]?.trim() === "ready";
}

/** Its own process group: Ctrl-C in the terminal reaches us alone, and we stop it in order. */
function run(
  program: string,
  args: readonly string[],
  cwd: string,
  user: SystemUser,
  output: "pipe" | number,
): ChildProcess {
  const owner = user.kind === "other" ? { uid: user.uid, gid: user.gid } : {};
  return spawn(program, args, {
    cwd,
    ...owner,
    detached: true,
    stdio: ["ignore", output, output],
    env: { PATH: process.env.PATH ?? "", LC_ALL: "C", TZ: "UTC" },
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() =>
        address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}
