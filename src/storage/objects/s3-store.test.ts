import path from "node:path";
import { describe } from "vitest";
import { tempDirectory } from "../../../test/kit/index.ts";
import { s3ServerAbsent } from "../../../test/kit/s3-program.ts";
import { startS3Server } from "../../../test/kit/s3-server.ts";
import { silentTelemetry, systemClock, systemRandom } from "../../base/index.ts";
import { ContentCache } from "../cache/content-cache.ts";
import { nodeDisk } from "../disk.ts";
import { objectStoreConformance } from "./conformance.ts";
import { S3Store } from "./s3-store.ts";

describe.skipIf(s3ServerAbsent)(`on a real S3 server${s3ServerAbsent === null ? "" : ` (${s3ServerAbsent})`}`, () => {
  objectStoreConformance("the S3 store", async () => {
    const held = new AsyncDisposableStack();
    const folder = held.use(await tempDirectory());
    const server = held.use(await startS3Server());
    const connection = {
      ...server,
      bucket: await server.bucket(),
      credentials: { ...server.credentials, sessionToken: null },
    };
    const localFolder = path.join(folder.path, "local");
    await nodeDisk.makeDirectory(localFolder);
    const common = { disk: nodeDisk, clock: systemClock, random: systemRandom };
    const cache = { folder: path.join(folder.path, "cache"), budgetBytes: 1e9, telemetry: silentTelemetry };
    const files = await ContentCache.open({ ...cache, ...common });
    return {
      client: () => held.use(new S3Store({ connection, prefix: "some/prefix/", files, ...common })),
      localFolder,
      [Symbol.asyncDispose]: () => held.disposeAsync(),
    };
  });
});
