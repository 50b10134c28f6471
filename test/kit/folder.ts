import { chmod, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

export interface TempDirectory extends AsyncDisposable {
  readonly path: string;
}

/** A folder of the test's own; removed when disposed. */
export async function tempDirectory(): Promise<TempDirectory> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "millrace-"));
  await chmod(folder, 0o711); // PostgreSQL of root runs as another user, who must pass
  return { path: folder, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}
