import { crc32 } from "node:zlib";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { QuickGet } from "./quick-get.ts";

export interface S3Connection {
  readonly bucket: string;
  /** null: the address that Amazon's own regions have. */
  readonly endpoint: string | null;
  readonly region: string;
  /** null: what the environment of the process brings, as Amazon's own programs read it. */
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken: string | null;
  } | null;
}

export interface FoundObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export interface Part {
  readonly number: number;
  readonly tag: string;
  readonly checksum: string;
}

const connectWithinMs = 5_000;
const idleMs = 20_000;
const mostSockets = 64;
/** Metadata that names the call which wrote an object, so that a call can tell its own write from another's. */
const writtenBy = "millrace-write";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** One method a request of the S3 protocol: each asks once, and fails with what the client throws. Keys are the bucket's. */
export class S3Requests implements Disposable {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #quickGet: QuickGet;

  constructor({ bucket, endpoint, region, credentials }: S3Connection) {
    this.#bucket = bucket;
    const config: S3ClientConfig = {
      region,
      forcePathStyle: true,
      maxAttempts: 1, // retries are ours: they know what a lost answer means
      responseChecksumValidation: "WHEN_REQUIRED",
      requestHandler: {
        connectionTimeout: connectWithinMs,
        socketTimeout: idleMs,
        logger: silent, // that requests wait for a free connection is no news
        httpAgent: { keepAlive: true, maxSockets: mostSockets },
        httpsAgent: { keepAlive: true, maxSockets: mostSockets },
      },
    };
    if (endpoint !== null) config.endpoint = endpoint;
    if (credentials !== null) {
      const { accessKeyId, secretAccessKey, sessionToken } = credentials;
      config.credentials = { accessKeyId, secretAccessKey, ...(sessionToken === null ? {} : { sessionToken }) };
    }
    this.#client = new S3Client(config);
    this.#quickGet = new QuickGet({ client: this.#client, bucket, endpoint, region });
  }

  async put(
    key: string,
    body: Uint8Array,
    condition: { readonly ifAbsent: boolean; readonly writer: string | null },
    abortSignal: AbortSignal,
  ): Promise<void> {
    const { ifAbsent, writer } = condition;
    const command = new PutObjectCommand({
      ...this.#at(key),
      Body: body,
      ChecksumCRC32: checksum(body),
      ...(ifAbsent ? { IfNoneMatch: "*" } : {}),
      ...(writer === null ? {} : { Metadata: { [writtenBy]: writer } }),
    });
    await this.#client.send(command, { abortSignal });
  }

  /** The whole object, its bytes held against the checksum that the store kept of them; null where there is none. */
  async get(key: string, abortSignal: AbortSignal): Promise<Uint8Array | null> {
    const answer = await this.#quickGet.read(key, abortSignal);
    if (answer !== "ask") return answer === "absent" ? null : answer;
    const command = new GetObjectCommand({ ...this.#at(key), ChecksumMode: "ENABLED" });
    const found = await this.#client.send(command, { abortSignal });
    return await bodyOf(found);
  }

  /** A part, cut at the object's end, and the size of the whole object. */
  async getRange(
    key: string,
    start: number,
    length: number,
    abortSignal: AbortSignal,
  ): Promise<{ readonly bytes: Uint8Array; readonly sizeBytes: number; readonly modifiedMs: number }> {
    const command = new GetObjectCommand({ ...this.#at(key), Range: `bytes=${start}-${start + length - 1}` });
    const found = await this.#client.send(command, { abortSignal });
    const bytes = await bodyOf(found);
    const total = /\/(\d+)$/.exec(found.ContentRange ?? "")?.[1];
    if (total === undefined) throw new Error("a part was asked for, and the answer is none");
    const sizeBytes = Number(total);
    const wanted = Math.min(length, sizeBytes - start);
    if (bytes.length !== wanted) throw new Error(`${bytes.length} of ${wanted} bytes came`);
    return { bytes, sizeBytes, modifiedMs: wholeSeconds(found.LastModified) };
  }

  async head(
    key: string,
    abortSignal: AbortSignal,
  ): Promise<{ readonly sizeBytes: number; readonly modifiedMs: number; readonly writer: string | null }> {
    const found = await this.#client.send(new HeadObjectCommand(this.#at(key)), { abortSignal });
    return {
      sizeBytes: found.ContentLength ?? 0,
      modifiedMs: wholeSeconds(found.LastModified),
      writer: found.Metadata?.[writtenBy] ?? null,
    };
  }

  async delete(key: string, abortSignal: AbortSignal): Promise<void> {
    await this.#client.send(new DeleteObjectCommand(this.#at(key)), { abortSignal });
  }

  /** A page of keys in their order. */
  async list(
    prefix: string,
    after: string | null,
    most: number,
    abortSignal: AbortSignal,
  ): Promise<{ readonly objects: FoundObject[]; readonly isLast: boolean }> {
    const command = new ListObjectsV2Command({
      Bucket: this.#bucket,
      Prefix: prefix,
      MaxKeys: most,
      ...(after === null ? {} : { StartAfter: after }),
    });
    const page = await this.#client.send(command, { abortSignal });
    const objects = (page.Contents ?? []).map((found) => ({
      key: found.Key ?? "",
      sizeBytes: found.Size ?? 0,
      modifiedMs: wholeSeconds(found.LastModified),
    }));
    return { objects, isLast: page.IsTruncated !== true };
  }

  async createUpload(key: string, abortSignal: AbortSignal): Promise<string> {
    const command = new CreateMultipartUploadCommand({ ...this.#at(key), ChecksumAlgorithm: "CRC32" });
    const { UploadId } = await this.#client.send(command, { abortSignal });
    if (UploadId === undefined) throw new Error("the upload has no name");
    return UploadId;
  }

  async putPart(
    key: string,
    upload: string,
    number: number,
    body: Uint8Array,
    abortSignal: AbortSignal,
  ): Promise<Part> {
    const sum = checksum(body);
    const about = { ...this.#at(key), UploadId: upload, PartNumber: number };
    const command = new UploadPartCommand({ ...about, Body: body, ChecksumCRC32: sum });
    const { ETag } = await this.#client.send(command, { abortSignal });
    if (ETag === undefined) throw new Error("the part has no tag");
    return { number, tag: ETag, checksum: sum };
  }

  async completeUpload(key: string, upload: string, parts: readonly Part[], abortSignal: AbortSignal): Promise<void> {
    const command = new CompleteMultipartUploadCommand({
      ...this.#at(key),
      UploadId: upload,
      IfNoneMatch: "*",
      MultipartUpload: {
        Parts: parts.map((part) => ({ PartNumber: part.number, ETag: part.tag, ChecksumCRC32: part.checksum })),
      },
    });
    await this.#client.send(command, { abortSignal });
  }

  async abortUpload(key: string, upload: string, abortSignal: AbortSignal): Promise<void> {
    await this.#client.send(new AbortMultipartUploadCommand({ ...this.#at(key), UploadId: upload }), { abortSignal });
  }

  /** Uploads that nobody has finished, a page of them. */
  async uploads(
    prefix: string,
    abortSignal: AbortSignal,
  ): Promise<{ readonly key: string; readonly upload: string; readonly begunMs: number }[]> {
    const command = new ListMultipartUploadsCommand({ Bucket: this.#bucket, Prefix: prefix });
    const { Uploads } = await this.#client.send(command, { abortSignal });
    return (Uploads ?? []).map(({ Key, UploadId, Initiated }) => ({
      key: Key ?? "",
      upload: UploadId ?? "",
      begunMs: Initiated?.getTime() ?? Number.POSITIVE_INFINITY,
    }));
  }

  [Symbol.dispose](): void {
    this.#client.destroy();
  }

  #at(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: key };
  }
}

async function bodyOf(found: GetObjectCommandOutput): Promise<Uint8Array> {
  const bytes = (await found.Body?.transformToByteArray()) ?? new Uint8Array();
  if (found.ContentLength !== undefined && bytes.length !== found.ContentLength)
    throw new Error(`${bytes.length} of ${found.ContentLength} bytes came`);
  return bytes;
}

/** CRC-32 as the protocol writes it; the store refuses a body that does not meet it. */
function checksum(body: Uint8Array): string {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return sum.toString("base64");
}

/** Headers tell whole seconds, listings more: an object has one time. */
function wholeSeconds(time: Date | undefined): number {
  return Math.floor((time?.getTime() ?? 0) / 1000) * 1000;
}
