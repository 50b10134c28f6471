import type { Disk, DiskFile } from "../../src/base/index.ts";
import { nodeDisk } from "../../src/storage/index.ts";

/**
 * The machine's file system without its waits for the platters: what a process that dies has written is there all the same, and no test cuts
 * the power of the machine. `CrashDisk` is for that.
 */
export const unsyncedDisk: Disk = {
  ...nodeDisk,
  open: async (path, mode) => withoutSync(await nodeDisk.open(path, mode)),
  syncDirectory: async () => {},
};

function withoutSync(file: DiskFile): DiskFile {
  return {
    write: (bytes, position) => file.write(bytes, position),
    read: (position, length) => file.read(position, length),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    sync: async () => {},
    sizeBytes: () => file.sizeBytes(),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}
