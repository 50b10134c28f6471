import { z } from "zod";
import { asMillraceError, MillraceError, type TraceId } from "../../base/index.ts";
import type { ErrorReply } from "./error-reply.ts";

export function errorBody(error: MillraceError, traceId: TraceId): ErrorReply {
  return {
    error: {
      code: error.code,
      message: error.message,
      hint: error.hint ?? null,
      position: error.position ?? null,
      data: error.data === undefined ? null : { ...error.data },
      traceId,
    },
  };
}

/** Headers that the error asks for. `ofScript`: a page's script asks, for which a browser would open its own dialog. */
export function errorHeaders(error: MillraceError, ofScript: boolean): Record<string, string> {
  const headers: Record<string, string> = {};
  const retryAfterS = error.retryAfterS ?? (error.status === 429 || error.status === 503 ? 1 : undefined);
  if (retryAfterS !== undefined) headers["retry-after"] = String(Math.max(1, Math.ceil(retryAfterS)));
  if (error.code === "unauthenticated") {
    headers["www-authenticate"] = `Bearer realm="millrace"${ofScript ? "" : ', Basic realm="millrace"'}`;
  }
  return headers;
}

const fastifyError = z.object({ code: z.string(), statusCode: z.int().optional(), message: z.string() });

/** Any thrown thing as the error that the caller sees: what the HTTP library and the schemas throw is the caller's mistake. */
export function failureOf(thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown;
  if (thrown instanceof z.ZodError) return schemaFailure(thrown, "request");
  const known = fastifyError.safeParse(thrown);
  if (!known.success || !known.data.code.startsWith("FST_ERR_")) return asMillraceError(thrown);
  switch (known.data.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return new MillraceError("too_large", "The request's body is too large for this route.", {
        hint: "Rows of any size go to POST .../rows.",
      });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE":
      return new MillraceError("unknown_format", "The Content-Type is not one that this route reads.", {
        hint: "Send application/json.",
      });
    default: {
      const isCallers = (known.data.statusCode ?? 500) < 500;
      return isCallers ? new MillraceError("bad_request", `${known.data.message}.`) : asMillraceError(thrown);
    }
  }
}

/** What a schema found wrong, first by sentence, all of it as data. `what`: the part of the request. */
export function schemaFailure(error: z.ZodError, what: string): MillraceError {
  const issues = error.issues.slice(0, 20).map((issue) => ({ path: issue.path.join("."), message: issue.message }));
  const [first] = issues;
  const where = first === undefined || first.path === "" ? what : `${what}: ${first.path}`;
  return new MillraceError("bad_request", `In the ${where}: ${first?.message ?? "it does not fit"}.`, {
    hint: "GET /api/v1/openapi.json describes every route.",
    data: { issues },
  });
}
