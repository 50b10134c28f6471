import {
  access,
  constants,
  type FileHandle,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { MillraceError } from "../base/index.ts";
import { checkFolderFormat, markFolder } from "./formats.ts";

const running = z.object({ pid: z.number(), url: z.string().nullable() });

/** The folder of one server: `server.json` says who runs on it, and keeps others out. */
export class DataDirectory implements AsyncDisposable {
  readonly path: string;

  private constructor(directory: string) {
    this.path = directory;
  }

  /**
   * Makes the folder where it is absent and takes it.
   * @throws conflict where a server runs on it; unsupported_version where a newer one has; bad_config
   */
  static async take(directory: string): Promise<DataDirectory> {
    const taken = new DataDirectory(path.resolve(directory));
    await checkFolderFormat(taken.path);
    try {
      await makeFolders(taken.path);
      await access(taken.path, constants.W_OK);
    } catch (cause) {
      const said = cause instanceof Error ? cause.message : String(cause);
      throw new MillraceError("bad_config", `The data folder ${taken.path} cannot be used: ${said}.`, {
        hint: "Name another with --data-dir.",
        cause,
      });
    }
    for (let attempt = 0; attempt < 3; attempt++) {
      const handle = await createNew(taken.#lockFile);
      if (handle !== null) {
        await handle.writeFile(JSON.stringify({ pid: process.pid, url: null }));
        await handle.close();
        return taken;
      }
      const holder = await taken.#holder();
      if (holder !== null && isServer(holder.pid, await commandOf(holder.pid))) {
        throw new MillraceError("conflict", `A server runs on ${taken.path} already (process ${holder.pid}).`, {
          hint: holder.url === null ? "Stop it first." : `It answers at ${holder.url}.`,
        });
      }
      await rm(taken.#lockFile, { force: true }); // its process is gone: it was killed
    }
    throw new MillraceError("conflict", `The folder ${taken.path} cannot be taken.`);
  }

  /** Says in the folder which format this version writes there: before anything is written. */
  async mark(): Promise<void> {
    await markFolder(this.path);
  }

  /** Tells local commands where the server answers. */
  async announce(url: string): Promise<void> {
    const temporary = `${this.#lockFile}.new`;
    await writeFile(temporary, JSON.stringify({ pid: process.pid, url }), { mode: 0o644 });
    await rename(temporary, this.#lockFile);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const holder = await this.#holder();
    if (holder?.pid === process.pid) await rm(this.#lockFile, { force: true });
  }

  get #lockFile(): string {
    return path.join(this.path, "server.json");
  }

  async #holder(): Promise<z.infer<typeof running> | null> {
    const text = await readFile(this.#lockFile, "utf8").catch(() => null);
    if (text === null) return null;
    try {
      return running.parse(JSON.parse(text));
    } catch {
      return null;
    }
  }
}

/** One folder after another: `recursive` goes round for ever where the system has no place for new folders, as in /proc. */
async function makeFolders(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => null);
  if (found?.isDirectory()) return;
  if (path.dirname(folder) !== folder) await makeFolders(path.dirname(folder));
  try {
    await mkdir(folder, { mode: 0o711 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}

async function createNew(file: string): Promise<FileHandle | null> {
  try {
    return await open(file, "wx", 0o644);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return null;
    throw error;
  }
}

/** What a process runs, or null where it is gone. */
async function commandOf(pid: number): Promise<string | null> {
  try {
    process.kill(pid, 0);
  } catch {
    return null;
  }
  return await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
}

/** Pids are reused: where the system tells what runs, it must be ours. */
function isServer(pid: number, command: string | null): boolean {
  if (command === null || pid === process.pid) return false;
  return command === "" || command.includes("cli/main");
}
