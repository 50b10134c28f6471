import { addAbortSignal, Readable } from "node:stream";
import { crc32 } from "node:zlib";
import type { S3Client } from "@aws-sdk/client-s3";

export interface QuickGetOptions {
  /** Signs and connects: credentials, clock offset and connections are the client's. */
  readonly client: S3Client;
  readonly bucket: string;
  readonly endpoint: string | null;
  readonly region: string;
}

/** "absent" where the store says that it has no such key, "ask" where its answer is for the client to read. */
export type QuickAnswer = Uint8Array | "absent" | "ask";

/** Longer bodies of refusals are not read. */
const mostRefusalBytes = 4_096;

/**
 * Reads whole objects without the client's layers between the call and the socket, which take 0.8 ms of the processor a
 * request where this takes 0.35: each query asks two such for every dataset. It knows two answers, an object and no such
 * key; whoever gets another asks again through the client, which knows them all.
 */
export class QuickGet {
  readonly #options: QuickGetOptions;
  readonly #base: URL;

  constructor(options: QuickGetOptions) {
    this.#options = options;
    const { client, bucket, endpoint, region } = options;
    const place = { Bucket: bucket, Region: region, ForcePathStyle: true, UseFIPS: false, UseDualStack: false };
    this.#base = client.config.endpointProvider(endpoint === null ? place : { ...place, Endpoint: endpoint }).url;
  }

  /** `key` has no character that a signature writes otherwise than encodeURIComponent. Held against the CRC-32 that the store kept of it, where it tells one of the whole. */
  async read(key: string, signal: AbortSignal): Promise<QuickAnswer> {
    const { statusCode, headers, body } = await this.#send(key, signal);
    addAbortSignal(signal, body);
    if (statusCode === 200) return checked(await bytesOf(body), headers);
    if (statusCode === 404 && (await textOf(body)).includes("<Code>NoSuchKey</Code>")) return "absent";
    body.destroy();
    return "ask";
  }

  async #send(key: string, abortSignal: AbortSignal): Promise<Response> {
    const { config } = this.#options.client;
    const { protocol, hostname, host, port, pathname } = this.#base;
    const signer = await config.signer();
    const request = {
      method: "GET",
      protocol,
      hostname,
      ...(port === "" ? {} : { port: Number(port) }),
      path: `${pathname.replace(/\/$/, "")}/${key.split("/").map(encodeURIComponent).join("/")}`,
      query: {},
      headers: { host, "x-amz-checksum-mode": "ENABLED", "x-amz-content-sha256": "UNSIGNED-PAYLOAD" },
    };
    const signingDate = new Date(Date.now() + config.systemClockOffset);
    const scope = { signingRegion: this.#options.region, signingService: "s3" };
    const signed = await signer.sign(request, { signingDate, ...scope });
    const { response } = await config.requestHandler.handle(signed, { abortSignal });
    if (!(response.body instanceof Readable)) throw new Error("the answer has no body that can be read");
    return { statusCode: response.statusCode, headers: response.headers, body: response.body };
  }
}

interface Response {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

function checked(bytes: Buffer, headers: Readonly<Record<string, string>>): Uint8Array {
  const length = headers["content-length"];
  if (length !== undefined && bytes.length !== Number(length))
    throw new Error(`${bytes.length} of ${length} bytes came`);
  const sum = headers["x-amz-checksum-crc32"];
  // A sum of parts ends with their number, and is not the sum of the whole.
  if (sum === undefined || sum.includes("-")) return bytes;
  if (Buffer.from(sum, "base64").readUInt32BE() !== crc32(bytes))
    throw new Error("bytes came that do not have the checksum of the object");
  return bytes;
}

async function bytesOf(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function textOf(body: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > mostRefusalBytes) break;
  }
  return Buffer.concat(chunks).toString();
}
