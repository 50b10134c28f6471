import type { S3Server } from "../kit/s3-server.ts";

/** Where the platform under fire keeps its objects. */
export type Store =
  | { readonly kind: "directory" }
  | { readonly kind: "s3"; readonly server: S3Server; readonly environment: Readonly<Record<string, string>> };
