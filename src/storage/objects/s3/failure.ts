import { S3ServiceException } from "@aws-sdk/client-s3";
import { MillraceError } from "../../../base/index.ts";

/**
 * What a failed try means. Each is another matter for the caller: `absent` and `exists` are answers; `conflict` (another
 * write of the same key is under way), `throttled` and `unreachable` are asked again; the rest needs a person. After
 * `unreachable` and `throttled` nobody knows whether a write happened.
 */
export type FailureKind =
  | "absent"
  | "exists"
  | "bad range"
  | "conflict"
  | "throttled"
  | "unreachable"
  | "full"
  | "refused"
  | "no bucket"
  | "no credentials"
  | "rejected";

export interface Failure {
  readonly kind: FailureKind;
  /** What the store or the network said, in short; never a credential. */
  readonly said: string;
  readonly cause: unknown;
}

/** Names that S3 servers give to failures, where the status alone does not tell. */
const byName: Readonly<Record<string, FailureKind>> = {
  NoSuchKey: "absent",
  NotFound: "absent",
  NoSuchUpload: "absent",
  NoSuchBucket: "no bucket",
  PreconditionFailed: "exists",
  ConditionalRequestConflict: "conflict",
  OperationAborted: "conflict",
  InvalidRange: "bad range",
  SlowDown: "throttled",
  SlowDownRead: "throttled",
  SlowDownWrite: "throttled",
  ServerBusy: "throttled",
  Throttling: "throttled",
  ThrottlingException: "throttled",
  RequestLimitExceeded: "throttled",
  TooManyRequests: "throttled",
  RequestTimeout: "unreachable",
  RequestTimeTooSkewed: "unreachable", // the client sets its clock by the answer, and signs again
  BadDigest: "unreachable", // bytes were changed on their way
  IncompleteBody: "unreachable",
  XMinioStorageFull: "full",
  InsufficientStorage: "full",
  QuotaExceeded: "full",
  AccessDenied: "refused",
  AllAccessDisabled: "refused",
  InvalidAccessKeyId: "refused",
  SignatureDoesNotMatch: "refused",
  ExpiredToken: "refused",
  InvalidToken: "refused",
  AuthorizationHeaderMalformed: "refused",
  PermanentRedirect: "refused",
};

export function failureOf(cause: unknown): Failure {
  if (cause instanceof S3ServiceException) {
    const status = cause.$metadata.httpStatusCode ?? 0;
    return { kind: byName[cause.name] ?? byStatus(status), said: `${cause.name} (${status})`, cause };
  }
  if (!(cause instanceof Error)) return { kind: "unreachable", said: String(cause), cause };
  if (cause.name === "CredentialsProviderError") return { kind: "no credentials", said: cause.message, cause };
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : cause.name;
  return { kind: "unreachable", said: cause.message === "" ? code : cause.message.slice(0, 300), cause };
}

/** 404 alone is no absence: some servers answer so to a user whom they do not know. */
function byStatus(status: number): FailureKind {
  if (status === 412) return "exists";
  if (status === 409) return "conflict";
  if (status === 416) return "bad range";
  if (status === 429 || status === 503) return "throttled";
  if (status === 507) return "full";
  if (status === 401 || status === 403 || status === 301) return "refused";
  return status >= 400 && status < 500 ? "rejected" : "unreachable";
}

export function isAskedAgain(kind: FailureKind): kind is "conflict" | "throttled" | "unreachable" {
  return kind === "conflict" || kind === "throttled" || kind === "unreachable";
}

/** The failure as the room tells it. `about` is what was wanted, as in "read a/b". */
export function failureError({ kind, said, cause }: Failure, about: string): MillraceError {
  const details = { data: { reason: kind, said }, cause };
  switch (kind) {
    case "full":
      return new MillraceError("disk_full", `The object store is full: it could not ${about} (${said}).`, {
        ...details,
        hint: "Free space in it, then send the request again.",
      });
    case "throttled":
      return new MillraceError("unavailable", `The object store is too busy to ${about} (${said}).`, {
        ...details,
        hint: "Try again soon.",
        retryAfterS: 2,
      });
    case "refused":
      return new MillraceError("unavailable", `The object store does not let this server ${about} (${said}).`, {
        ...details,
        hint: "Check s3.accessKeyId, s3.secretAccessKey, s3.region and what the bucket's policy allows.",
      });
    case "no bucket":
      return new MillraceError("unavailable", `The object store has no such bucket: it could not ${about}.`, {
        ...details,
        hint: "Make the bucket that objectStore names.",
      });
    case "no credentials":
      return new MillraceError("bad_config", `There are no credentials for the object store: ${said}.`, {
        ...details,
        hint: "Set s3.accessKeyId and s3.secretAccessKey.",
      });
    case "unreachable":
      return new MillraceError("unavailable", `The object store did not answer when asked to ${about} (${said}).`, {
        ...details,
        hint: "Try again soon.",
        retryAfterS: 2,
      });
    default:
      return new MillraceError("unavailable", `The object store could not ${about} (${said}).`, details);
  }
}
