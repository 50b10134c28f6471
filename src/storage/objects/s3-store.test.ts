import path from "node:path";
import { describe } from "vitest";
import { tempDirectory } from "../../../test/kit/index.ts";
import { s3ServerAbsent } from "../../../test/kit/s3-program.ts";
import { startS3Server } from "../../../test/kit/s3-server.ts";
import { systemClock, systemRandom } from "../../base/index.ts";
import { nodeDisk } from "../disk.ts";
import { objectStoreConformance } from "./conformance.ts";
import { PrivateFiles } from "./private-files.ts";
import { S3Store } from "./s3-store.ts";

describe.skipIf(s3ServerAbsent)(`on a real S3 server${s3ServerAbsent === null ? "" : ` (${s3ServerAbsent})`}`, () => {
  describe.each(["", "some/prefix/"])("below the prefix %j", (prefix) => {
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
      const files = new PrivateFiles({ folder: path.join(folder.path, "files"), ...common });
      return {
        client: () => held.use(new S3Store({ connection, prefix, files, ...common })),
        localFolder,
        [Symbol.asyncDispose]: () => held.disposeAsync(),
      };
    });
  });
});
