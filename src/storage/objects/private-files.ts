import path from "node:path";
import type { Disk, Random } from "../../base/index.ts";
import type { LocalObject } from "./object-store.ts";
import type { LocalFiles, ReadObject } from "./s3-store.ts";

/** A file of its own for each who asks: for objects whose name says nothing of their bytes. It goes when it is let go. */
export class PrivateFiles implements LocalFiles {
  readonly #folder: string;
  readonly #disk: Disk;
  readonly #random: Random;

  constructor(options: { readonly folder: string; readonly disk: Disk; readonly random: Random }) {
    this.#folder = options.folder;
    this.#disk = options.disk;
    this.#random = options.random;
  }

  async open(_key: string, read: ReadObject, signal = new AbortController().signal): Promise<LocalObject | null> {
    await this.#disk.makeDirectory(this.#folder);
    const file = path.join(this.#folder, Buffer.from(this.#random.bytes(16)).toString("hex"));
    const remove = () => this.#disk.remove(file);
    try {
      await using handle = await this.#disk.open(file, "createNew");
      if (await read((bytes) => handle.write(bytes), signal)) return { path: file, [Symbol.asyncDispose]: remove };
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

  async [Symbol.asyncDispose](): Promise<void> {}
}
