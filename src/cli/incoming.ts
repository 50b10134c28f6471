import { randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { MillraceError } from "../base/index.ts";
import type { Part } from "../ingest/index.ts";
import type { Client } from "./client.ts";

const reply = z.object({ directory: z.string().nullable() });

/**
 * The server's incoming folder, where this is a client on its machine that may write there: parts then go from file to file,
 * through no socket. null where not, or where the server is older.
 */
export async function findIncoming(client: Client): Promise<Incoming | null> {
  try {
    const { directory } = await client.json({ method: "GET", path: "/api/v1/ingests/incoming" }, reply);
    return directory === null ? null : new Incoming(directory);
  } catch (error) {
    if (error instanceof MillraceError && error.code === "not_found") return null;
    throw error;
  }
}

export class Incoming {
  readonly #directory: string;
  #usable = true;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Writes a part behind `headBytes` free ones. @returns the file's name; null where this client cannot write there */
  async put(part: Part, headBytes: number): Promise<string | null> {
    if (!this.#usable) return null;
    const name = randomUUID();
    const file = path.join(this.#directory, name);
    try {
      await using handle = await open(file, "wx", 0o600);
      let position = headBytes;
      for (const bytes of part.bytes) {
        for (let written = 0; written < bytes.length; ) {
          const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, position);
          written += bytesWritten;
          position += bytesWritten;
        }
      }
      return name;
    } catch {
      // Another machine, another user, a full disk: the part travels as a request's body, and what is wrong is told there.
      this.#usable = false;
      await rm(file, { force: true });
      return null;
    }
  }

  /** Cleans up behind a part that was not taken. @returns whether to send it as a body instead */
  async refused(name: string, error: unknown): Promise<boolean> {
    await rm(path.join(this.#directory, name), { force: true });
    const isElsewhere = error instanceof MillraceError && error.code === "not_found" && this.#usable;
    if (isElsewhere) this.#usable = false;
    return isElsewhere;
  }
}
