import type { z } from "zod";
import type { errorReply } from "../../../src/gateway/edge/error-reply.ts";

type ErrorBody = z.infer<typeof errorReply>["error"];

/** A refused or failed request, as the server tells it; `code` is of docs/errors.md, or `unreachable`. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;
  readonly position: ErrorBody["position"];
  readonly traceId: string | null;

  constructor(status: number, body: Partial<ErrorBody> & { message: string; code: string }) {
    super(body.message);
    this.name = "ApiError";
    this.status = status;
    this.code = body.code;
    this.hint = body.hint ?? null;
    this.position = body.position ?? null;
    this.traceId = body.traceId ?? null;
  }
}

export type QueryParts = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface RequestOptions {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly query?: QueryParts;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** A path of the API with its parts encoded: names may hold anything. `` path`/api/v1/projects/${project}` `` */
export function path(texts: TemplateStringsArray, ...parts: readonly (string | number)[]): string {
  return texts.reduce((made, text, index) => `${made}${encodeURIComponent(parts[index - 1] ?? "")}${text}`);
}

/** The raw answer of a request that succeeded. @throws ApiError */
export async function request(url: string, options: RequestOptions = {}): Promise<Response> {
  const { method = "GET", query = {}, body, headers = {}, signal } = options;
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  const response = await fetch(search.size === 0 ? url : `${url}?${search}`, {
    method,
    headers: {
      accept: "application/json",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
    credentials: "same-origin",
  }).catch((cause: unknown) => {
    if (signal?.aborted === true) throw cause;
    throw unreachable();
  });
  if (!response.ok) throw await failureOf(response);
  return response;
}

/** The JSON of an answer. The type is that of the server's own schema (src/gateway/http/views.ts). @throws ApiError */
export async function ask<Reply>(url: string, options?: RequestOptions): Promise<Reply> {
  const response = await request(url, options);
  return response.status === 204 ? (undefined as Reply) : ((await response.json()) as Reply);
}

export async function failureOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  try {
    const { error } = JSON.parse(text) as { error: ErrorBody };
    return new ApiError(response.status, error);
  } catch {
    return new ApiError(response.status, {
      code: "unknown",
      message: `The server answered ${response.status} without saying why.`,
      traceId: response.headers.get("x-trace-id") ?? undefined,
    } as ErrorBody);
  }
}

export function unreachable(): ApiError {
  return new ApiError(0, {
    code: "unreachable",
    message: "The server cannot be reached.",
    hint: "Is it running? The console goes on by itself when it is back.",
  });
}
