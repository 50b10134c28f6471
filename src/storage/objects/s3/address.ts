import { MillraceError } from "../../../base/index.ts";

/** Where objects lie in an S3 store: a bucket, and what comes before each key in it. */
export interface S3Address {
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
}

const form = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([A-Za-z0-9][A-Za-z0-9._=/-]{0,199}))?\/?$/;

/** Reads `s3://bucket` or `s3://bucket/prefix`. @throws bad_config */
export function s3Address(text: string): S3Address {
  const [, bucket = "", folder = ""] = form.exec(text) ?? [];
  if (bucket === "" || folder.includes("//")) {
    throw new MillraceError("bad_config", `"${text.slice(0, 300)}" is no address of an S3 bucket.`, {
      hint: "Say s3://BUCKET or s3://BUCKET/PREFIX.",
    });
  }
  const prefix = folder.replace(/\/$/, "");
  return { bucket, prefix: prefix === "" ? "" : `${prefix}/` };
}
