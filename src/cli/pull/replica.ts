import { z } from "zod";
import { type DatasetPath, MillraceError } from "../../base/index.ts";
import { type Client, readAll } from "../client.ts";
import type { ObjectPart } from "./origin.ts";

const state = z.object({ datasetId: z.string(), origin: z.string(), seq: z.number(), head: z.string() });
const walk = z.object({
  blocks: z.array(z.object({ hash: z.string(), seq: z.number() })),
  missing: z.string().nullable(),
});
const advanced = z.object({
  seq: z.number(),
  head: z.string().nullable(),
  missing: z.array(
    z.object({
      block: z.string(),
      part: z.enum(["blocks", "data", "checkpoints", "quarantine"]),
      hash: z.string(),
      sizeBytes: z.number(),
      lastOffset: z.number().nullable(),
    }),
  ),
});
const offered = z.object({
  level: z.number(),
  index: z.number(),
  missing: z.array(z.object({ hash: z.string(), name: z.string(), sizeBytes: z.number() })),
});
const listed = z.object({ blocks: z.array(z.object({ seq: z.number(), hash: z.string() })) });

export type OfferedRegion = z.infer<typeof offered>;
export type MissingCopy = OfferedRegion["missing"][number];
export type MissingObject = z.infer<typeof advanced>["missing"][number];

/** The copy on our own platform, as its API takes it in. */
export class Replica {
  readonly #client: Client;
  readonly #dataset: string;
  readonly #path: string;
  readonly #signal: AbortSignal;

  constructor(client: Client, { project, dataset }: DatasetPath, signal: AbortSignal) {
    this.#client = client;
    this.#dataset = `/api/v1/projects/${project}/datasets/${dataset}`;
    this.#path = `${this.#dataset}/replica`;
    this.#signal = signal;
  }

  /** null before it was begun. */
  async state(): Promise<z.infer<typeof state> | null> {
    try {
      return await this.#client.json({ method: "GET", path: this.#path, signal: this.#signal }, state);
    } catch (error) {
      if (error instanceof MillraceError && error.code === "dataset_not_found") return null;
      throw error;
    }
  }

  begin(origin: string, seed: string): Promise<z.infer<typeof state>> {
    return this.#json("PUT", this.#path, { origin, seed }, state);
  }

  walk(from: string): Promise<z.infer<typeof walk>> {
    return this.#json("POST", `${this.#path}/walk`, { from }, walk);
  }

  async putBlocks(blocks: readonly Uint8Array[]): Promise<void> {
    const frames = blocks.flatMap((bytes) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    });
    await this.#send({ method: "POST", path: `${this.#path}/blocks`, body: Buffer.concat(frames) });
  }

  async putObject({ block, part, hash, sizeBytes }: MissingObject, body: AsyncIterable<Uint8Array>): Promise<void> {
    const path = `${this.#path}/objects/${part satisfies ObjectPart}/${hash}`;
    const headers = { "content-length": String(sizeBytes) };
    await this.#send({ method: "PUT", path, query: { block }, headers, body });
  }

  /** Offers what stands for superseded slices. */
  async offerRegion(manifest: Uint8Array): Promise<OfferedRegion> {
    const path = `${this.#path}/regions`;
    const headers = { "content-type": "application/octet-stream" };
    const request = { method: "POST", path, headers, body: manifest, signal: this.#signal } as const;
    return await this.#client.json(request, offered);
  }

  async putCopy({ level, index }: OfferedRegion, file: MissingCopy, body: AsyncIterable<Uint8Array>): Promise<void> {
    const path = `${this.#path}/regions/${level}/${index}/${file.hash}`;
    await this.#send({ method: "PUT", path, headers: { "content-length": String(file.sizeBytes) }, body });
  }

  /** Lets rows expire that have expired at the origin. */
  async expire(before: number, drop: boolean): Promise<void> {
    const headers = { "content-type": "application/json" };
    await this.#send({ method: "POST", path: `${this.#path}/expire`, headers, body: JSON.stringify({ before, drop }) });
  }

  advance(blocks: readonly string[]): Promise<z.infer<typeof advanced>> {
    return this.#json("POST", `${this.#path}/advance`, { blocks }, advanced);
  }

  /** The hash of a committed block. */
  async committed(seq: number): Promise<string | null> {
    const query = { before: String(seq + 1), limit: "1" };
    const request = { method: "GET", path: `${this.#dataset}/blocks`, query, signal: this.#signal } as const;
    const { blocks } = await this.#client.json(request, listed);
    return blocks.find((block) => block.seq === seq)?.hash ?? null;
  }

  async clear(): Promise<void> {
    await this.#send({ method: "DELETE", path: `${this.#path}/blocks` });
  }

  async #send(request: Omit<Parameters<Client["send"]>[0], "signal">): Promise<void> {
    const headers = { "content-type": "application/octet-stream", ...request.headers };
    await readAll(await this.#client.send({ ...request, headers, signal: this.#signal }));
  }

  #json<Value>(method: "POST" | "PUT", path: string, body: unknown, schema: z.ZodType<Value>): Promise<Value> {
    const headers = { "content-type": "application/json" };
    const request = { method, path, headers, body: JSON.stringify(body), signal: this.#signal } as const;
    return this.#client.json(request, schema);
  }
}
