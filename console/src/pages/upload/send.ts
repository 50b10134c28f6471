import { ApiError, path, unreachable } from "../../api/client.ts";
import { quoteName } from "../../api/sql.ts";
import type { IngestReceipt } from "../../api/types.ts";

export interface Shipment {
  readonly file: File;
  readonly project: string;
  readonly dataset: string;
  /** As the API names it. */
  readonly format: string;
  readonly encoding: "identity" | "gzip" | "zstd";
  /** A column that gives each row's event time. */
  readonly eventTime: string | null;
}

export interface SendOptions {
  readonly onProgress: (sentBytes: number) => void;
  readonly signal: AbortSignal;
}

/** Sends a file as it is, and answers the receipt of its rows in the chain. @throws ApiError; the signal's reason */
export function send(shipment: Shipment, { onProgress, signal }: SendOptions): Promise<IngestReceipt> {
  const { file, project, dataset, format, encoding, eventTime } = shipment;
  const query = new URLSearchParams({ create: "true", ack: "committed", format });
  if (eventTime !== null) query.set("eventTime", quoteName(eventTime));
  // fetch tells nothing of what it has sent.
  const request = new XMLHttpRequest();
  request.open("POST", `${path`/api/v1/projects/${project}/datasets/${dataset}/rows`}?${query}`);
  request.setRequestHeader("accept", "application/json");
  request.setRequestHeader("content-type", "application/octet-stream");
  request.setRequestHeader("idempotency-key", fileKey(file));
  if (encoding !== "identity") request.setRequestHeader("content-encoding", encoding);
  return new Promise<IngestReceipt>((resolve, reject) => {
    const abort = () => request.abort();
    signal.addEventListener("abort", abort, { once: true });
    request.upload.addEventListener("progress", ({ loaded }) => onProgress(loaded));
    request.addEventListener("load", () => {
      const { status, responseText } = request;
      if (status >= 200 && status < 300) resolve(JSON.parse(responseText) as IngestReceipt);
      else reject(failureIn(status, responseText));
    });
    request.addEventListener("error", () => reject(unreachable()));
    request.addEventListener("abort", () => reject(signal.reason));
    request.addEventListener("loadend", () => signal.removeEventListener("abort", abort));
    if (signal.aborted) reject(signal.reason);
    else request.send(file);
  });
}

function failureIn(status: number, text: string): ApiError {
  try {
    const { error } = JSON.parse(text) as { error: ConstructorParameters<typeof ApiError>[1] };
    return new ApiError(status, error);
  } catch {
    return new ApiError(status, { code: "unknown", message: `The server answered ${status} without saying why.` });
  }
}

/** The same for the same file, so that sending it again stores nothing twice. */
export function fileKey({ name, size, lastModified }: File): string {
  // A header holds ASCII alone.
  return `file ${size} ${lastModified} ${encodeURIComponent(name).slice(-180)}`;
}

/** How a file is packed, by its name: for where the server could not look into it. */
export function encodingOf(name: string): Shipment["encoding"] {
  if (/\.gz$/i.test(name)) return "gzip";
  return /\.zst$/i.test(name) ? "zstd" : "identity";
}

/** A dataset's name from a file's: `Bird Strikes (2).csv.gz` is `bird_strikes_2`. */
export function nameFrom(file: string): string {
  const plain = file
    .replace(/\.(gz|zst)$/i, "")
    .replace(/\.[a-z0-9]{1,8}$/i, "")
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^[^a-z]+|_+$/g, "")
    .slice(0, 63)
    .replace(/_+$/, "");
  return plain === "" ? "data" : plain;
}

const namePattern = /^[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*$/;

/** What is wrong with a name, or null. The server has the last word. */
export function wrongName(name: string): string | null {
  if (name === "") return "It needs a name.";
  if (name.length > 63) return "At most 63 characters.";
  return namePattern.test(name) ? null : 'Lower-case letters, digits, and single "_" or "-" between them.';
}
