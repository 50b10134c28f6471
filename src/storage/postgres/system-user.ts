import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { MillraceError } from "../../base/index.ts";

/** Whom PostgreSQL runs as. It refuses to run as root, so root hands it to a user without rights. */
export type SystemUser =
  | { readonly kind: "self" }
  | { readonly kind: "other"; readonly uid: number; readonly gid: number };

/** Ourselves, or for root the machine's `postgres` user, else `nobody`, which every system has. @throws unavailable */
export async function postgresUser(): Promise<SystemUser> {
  if (process.getuid?.() !== 0) return { kind: "self" };
  const lines = (await readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const entry = lines.find(([user]) => user === name);
    if (entry !== undefined) return { kind: "other", uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  throw new MillraceError("unavailable", "PostgreSQL does not run as root, and there is no user to run it as.", {
    hint: "Run Millrace as an ordinary user, or set the setting `postgres.url` to a server of your own.",
  });
}

/** Whether the other user reaches a folder: every folder above it can be passed by anyone. */
export async function isReachable(folder: string): Promise<boolean> {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const found = await stat(at).catch(() => null);
    if (found !== null && (found.mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}
