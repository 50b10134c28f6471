import path from "node:path";
import { type Clock, silentTelemetry, systemClock, systemRandom } from "../../src/base/index.ts";
import { ContentCache } from "../../src/storage/cache/content-cache.ts";
import { nodeDisk } from "../../src/storage/disk.ts";
import { S3Store } from "../../src/storage/objects/s3-store.ts";
import { tempDirectory } from "./index.ts";
import type { S3Credentials, S3Server } from "./s3-server.ts";

export interface OpenS3Store extends AsyncDisposable {
  readonly store: S3Store;
  readonly bucket: string;
  /** An own folder of the test. */
  readonly folder: string;
}

/** A client of a bucket of the server, which is new unless named; through another address where one is given. */
export async function openS3Store(
  server: S3Server,
  endpoint: string = server.endpoint,
  given: { readonly bucket?: string; readonly credentials?: S3Credentials; readonly clock?: Clock } = {},
): Promise<OpenS3Store> {
  const held = new AsyncDisposableStack();
  const folder = held.use(await tempDirectory()).path;
  const bucket = given.bucket ?? (await server.bucket());
  const credentials = { ...(given.credentials ?? server.credentials), sessionToken: null };
  const common = { disk: nodeDisk, clock: given.clock ?? systemClock, random: systemRandom };
  const cache = { folder: path.join(folder, "cache"), budgetBytes: 1e9, telemetry: silentTelemetry };
  const store = held.use(
    new S3Store({
      connection: { bucket, endpoint, region: server.region, credentials },
      prefix: "",
      files: await ContentCache.open({ ...cache, ...common }),
      ...common,
    }),
  );
  return { store, bucket, folder, [Symbol.asyncDispose]: () => held.disposeAsync() };
}
