import path from "node:path";
import type { Disk, Random } from "../../base/index.ts";
import type { LocalFiles, ReadObject } from "../objects/local-files.ts";
import type { LocalObject } from "../objects/object-store.ts";

/** A file of its own for each who asks: for objects whose name says nothing of their bytes. It goes when it is let go. */
export class PrivateFiles implements LocalFiles {
  readonly #folder: string;
  readonly #disk: Disk;
  readonly #random: Random;

  /** `folder` exists. */
  constructor(options: { readonly folder: string; readonly disk: Disk; readonly random: Random }) {
    this.#folder = options.folder;
    this.#disk = options.disk;
    this.#random = options.random;
  }

  async open(_key: string, read: ReadObject, signal = new AbortController().signal): Promise<LocalObject | null> {
    const file = path.join(this.#folder, Buffer.from(this.#random.bytes(16)).toString("hex"));
    const remove = () => this.#disk.remove(file);
    try {
      await using handle = await this.#disk.open(file, "createNew");
      const sink = { begin: async () => {}, take: (bytes: Uint8Array) => handle.write(bytes) };
      if (await read(sink, signal)) return { path: file, [Symbol.asyncDispose]: remove };
    } catch (error) {
      await remove();
      throw error;
    }
    await remove();
    return null;
  }

  adopt(_key: string, localPath: string): Promise<void> {
    return this.#disk.remove(localPath);
  }

  async forget(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
