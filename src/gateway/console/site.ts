import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import type { Clock } from "../../base/index.ts";

export type PageEncoding = "br" | "gzip";

export interface PageFile {
  readonly file: string;
  readonly sizeBytes: number;
  /** The same content, compressed, beside it. */
  readonly compressed: Partial<Record<PageEncoding, { readonly file: string; readonly sizeBytes: number }>>;
  readonly type: string;
  readonly etag: string;
}

/** Files of the built console by the path that a browser asks for, as in `/assets/index-3f2a.js`. */
export type Pages = ReadonlyMap<string, PageFile>;

const mostFiles = 5_000;
/** A build has ended so long after its index.html at the latest. */
const settledMs = 10_000;
const endings: Readonly<Record<PageEncoding, string>> = { br: ".br", gzip: ".gz" };
const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".map": "application/json; charset=utf-8",
  ".webmanifest": "application/manifest+json; charset=utf-8",
  ".svg": "image/svg+xml; charset=utf-8",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
  ".wasm": "application/wasm",
  ".txt": "text/plain; charset=utf-8",
};

/**
 * The built console in a folder. What can be asked for is what the folder held when it was looked at: a path is a key of that
 * list and is never joined to a folder, so no path leads out of it. A new build is seen by its index.html.
 */
export class Site {
  readonly #directory: string;
  readonly #clock: Clock;
  #pages: { readonly builtAtMs: number; readonly pages: Promise<Pages> } | null = null;

  constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** null where the console has not been built. */
  async pages(): Promise<Pages | null> {
    const index = await stat(path.join(this.#directory, "index.html")).catch(() => null);
    if (index === null) return null;
    // Other files of the build may still come behind it.
    if (this.#clock.now() - index.mtimeMs < settledMs) return await readPages(this.#directory);
    if (this.#pages?.builtAtMs !== index.mtimeMs) {
      const pages = readPages(this.#directory);
      this.#pages = { builtAtMs: index.mtimeMs, pages };
      pages.catch(() => {
        this.#pages = null; // in the middle of a build: the next request looks again
      });
    }
    return await this.#pages.pages;
  }
}

async function readPages(directory: string): Promise<Pages> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  if (files.length > mostFiles) throw new Error(`the built console has more than ${mostFiles} files`);
  const known = new Set(files);
  const pages = new Map<string, PageFile>();
  for (const file of files) {
    const type = types[path.extname(file)];
    if (type === undefined) continue;
    const bytes = await readFile(file);
    pages.set(`/${path.relative(directory, file).split(path.sep).join("/")}`, {
      file,
      sizeBytes: bytes.byteLength,
      compressed: await compressedBeside(file, known),
      type,
      etag: `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`,
    });
  }
  return pages;
}

async function compressedBeside(file: string, known: ReadonlySet<string>): Promise<PageFile["compressed"]> {
  const found: PageFile["compressed"] = {};
  for (const encoding of ["br", "gzip"] as const) {
    const beside = `${file}${endings[encoding]}`;
    if (known.has(beside)) found[encoding] = { file: beside, sizeBytes: (await stat(beside)).size };
  }
  return found;
}
