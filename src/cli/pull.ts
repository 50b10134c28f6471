import { readFile } from "node:fs/promises";
import { type DatasetPath, datasetPath, delay, formatDatasetPath, MillraceError, systemClock } from "../base/index.ts";
import { Client, findServer } from "./client.ts";
import {
  asUsageError,
  type Command,
  clientOptions,
  flagOption,
  type Invocation,
  textOption,
  UsageError,
} from "./command.ts";
import { describeError } from "./errors.ts";
import { counted, formatBytes, formatCount } from "./figures.ts";
import type { Copied, Copying } from "./pull/copy.ts";
import { Origin, usualLimits } from "./pull/origin.ts";
import { Replica } from "./pull/replica.ts";
import { isPassing } from "./pull/retries.ts";

/** Looks at an origin that has nothing new come less and less often; a failing one too. */
const soonestMs = 1_000;
const latestMs = 60_000;

export const pullCommand: Command = {
  name: "pull",
  summary: "Mirrors a dataset of another platform as a read-only copy, every byte proven. Run it again to go on.",
  usage: "URL [--as PROJECT.DATASET] [--follow] [--drop-expired]",
  arity: [1, 1],
  options: {
    ...clientOptions,
    as: { type: "string", value: "NAME", help: "Name of the copy; default: as in .../odf/PROJECT/DATASET" },
    follow: { type: "boolean", help: "Goes on as the origin grows, until Ctrl-C" },
    "drop-expired": {
      type: "boolean",
      help: "Where rows have expired at the origin, lets them expire here, too, if the copy cannot go on otherwise",
    },
    "origin-token-file": {
      type: "string",
      value: "FILE",
      help: "File with a token of the origin; or set MILLRACE_ORIGIN_TOKEN",
    },
  },
  async run(invocation) {
    const url = originUrl(invocation.positionals[0] ?? "");
    const path = copyName(textOption(invocation, "as"), url);
    const token = await originToken(invocation);
    checkToken(url, token);
    const server = await findServer(invocation);
    using client = new Client(server);
    using origin = new Origin({ url, token, limits: usualLimits });
    using progress = new PullProgress(formatDatasetPath(path));
    const { signal } = invocation;
    const replica = new Replica(client, path, signal);
    const dropExpired = flagOption(invocation, "drop-expired");
    const job = { origin, originUrl: url.href, replica, progress, dropExpired, signal };
    if (!flagOption(invocation, "follow")) {
      tell(path, await copy(job));
      return 0;
    }
    await follow(path, job);
    return 0;
  },
};

async function copy(job: Copying): Promise<Copied> {
  const { copyOnce } = await import("./pull/copy.ts"); // it reads blocks, which other commands need not
  return await copyOnce(job);
}

/** Until the signal aborts; what is refused ends it, what passes does not. */
async function follow(path: DatasetPath, job: Copying): Promise<void> {
  let waitMs = soonestMs;
  for (let first = true; !job.signal.aborted; first = false) {
    try {
      const copied = await copy(job);
      waitMs = copied.blocks > 0 ? soonestMs : Math.min(latestMs, waitMs * 2);
      if (first || copied.blocks > 0) tell(path, copied);
    } catch (error) {
      if (job.signal.aborted) return;
      if (!isPassing(error)) throw error;
      waitMs = Math.min(latestMs, waitMs * 2);
      process.stderr.write(`${describeError(error)}tried again in ${Math.round(waitMs / 1_000)} s\n`);
    }
    await delay(systemClock, waitMs, job.signal).catch(() => {});
  }
}

/** @throws UsageError */
function originUrl(text: string): URL {
  if (!URL.canParse(text)) throw new UsageError(`"${text}" is no address: say https://HOST/odf/PROJECT/DATASET`);
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw new UsageError("an origin is spoken to by http or https");
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "")
    throw new UsageError("an origin's address holds no user, password, query or fragment; tokens go into a file");
  return url;
}

/** @throws UsageError */
function copyName(given: string | undefined, url: URL): DatasetPath {
  const [, project, dataset] = /\/odf\/([^/]+)\/([^/]+)\/?$/.exec(url.pathname) ?? [];
  if (given === undefined && (project === undefined || dataset === undefined))
    throw new UsageError("say how the copy is called: --as PROJECT.DATASET");
  try {
    return datasetPath(given ?? `${project}.${dataset}`);
  } catch (error) {
    throw asUsageError(error);
  }
}

async function originToken(invocation: Invocation): Promise<string | null> {
  const file = textOption(invocation, "origin-token-file");
  if (file === undefined) return process.env.MILLRACE_ORIGIN_TOKEN?.trim() ?? null;
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw new MillraceError("bad_config", `The file ${file} with the origin's token cannot be read.`, { cause });
  }
}

/** A token travels enciphered, or not beyond this machine. */
function checkToken(url: URL, token: string | null): void {
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (token === null || url.protocol === "https:" || isLocal) return;
  throw new MillraceError("bad_config", "The origin's token would travel in the clear.", {
    hint: "Use its https address.",
  });
}

function tell(path: DatasetPath, { seq, head, blocks, objects, bytes, originIsBehind }: Copied): void {
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  if (originIsBehind)
    process.stderr.write("the origin answers with an older block than the copy has; it stays as it is\n");
  const news =
    blocks === 0 ? "nothing new" : `${counted(blocks, "block")}, ${counted(objects, "object")}, ${formatBytes(bytes)}`;
  process.stdout.write(`${formatDatasetPath(path)} is at block ${formatCount(seq)}, ${head} (${news})\n`);
}

/** What has come, on one line of a terminal; silent elsewhere. */
class PullProgress implements Disposable {
  readonly #timer: NodeJS.Timeout | null;
  #blocks = 0;
  #bytes = 0;

  constructor(name: string) {
    const draw = () =>
      process.stderr.write(`\r\x1b[K${name} · ${counted(this.#blocks, "block")} · ${formatBytes(this.#bytes)}`);
    this.#timer = process.stderr.isTTY ? setInterval(draw, 200).unref() : null;
  }

  addBlocks(blocks: number): void {
    this.#blocks += blocks;
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  [Symbol.dispose](): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    process.stderr.write("\r\x1b[K");
  }
}
