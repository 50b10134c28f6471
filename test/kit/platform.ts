import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";

const root = path.resolve(import.meta.dirname, "..", "..");
export const launcher = path.join(root, "millrace");

/** A real server as a user starts it, on its own data folder and a free port. */
export interface Platform extends AsyncDisposable {
  readonly url: string;
  readonly token: string;
  readonly dataDirectory: string;
  readonly process: ChildProcess;
  /** Standard error so far. */
  stderr(): string;
  /** Sends a signal to the server's process alone and waits until it is gone. */
  end(signal: NodeJS.Signals): Promise<void>;
}

export interface PlatformOptions {
  readonly dataDirectory: string;
  /** The command line to start it with, where it is not that of this checkout. */
  readonly program?: string;
  readonly port?: number;
  readonly flags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts `millrace up` and waits for nothing. */
export function spawnPlatform(options: PlatformOptions): ChildProcessByStdio<null, Readable, Readable> {
  const args = [
    "up",
    "--data-dir",
    options.dataDirectory,
    "--port",
    String(options.port ?? 0),
    ...(options.flags ?? []),
  ];
  return spawn(options.program ?? launcher, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...cleanEnvironment(), ...options.environment },
  });
}

/** Starts `millrace up` and waits for its ready line. Rejects with its standard error when it ends before. */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const child = spawnPlatform(options);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-100_000);
  });
  const url = await readyAddress(child, () => stderr);
  const token = (await readFile(path.join(options.dataDirectory, "owner.token"), "utf8")).trim();
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  return {
    url,
    token,
    dataDirectory: options.dataDirectory,
    process: child,
    stderr: () => stderr,
    end,
    [Symbol.asyncDispose]: () => end("SIGTERM"),
  };
}

/** The environment without settings of Millrace, which would reach the server under test. */
export function cleanEnvironment(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith("MILLRACE_"),
  );
  return Object.fromEntries(kept);
}

function readyAddress(child: ChildProcess, stderr: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    let stdout = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      const url = /^millrace ready (\S+)$/m.exec(stdout)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once("error", reject);
    child.once("exit", (code, signal) =>
      reject(new Error(`the server ended (${code ?? signal}) before it was ready:\n${stderr()}`)),
    );
  });
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of the CLI against a platform (or none) to its end. */
export async function millrace(
  args: readonly string[],
  platform?: Platform,
  environment: Record<string, string> = {},
): Promise<CommandResult> {
  const address = platform === undefined ? {} : { MILLRACE_URL: platform.url, MILLRACE_TOKEN: platform.token };
  const child = spawn(launcher, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...cleanEnvironment(), ...address, ...environment },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  await once(child, "close");
  return { code: child.exitCode, stdout, stderr };
}
