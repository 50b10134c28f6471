import { createCipheriv, createDecipheriv } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import { type Disk, MillraceError, type Random } from "../base/index.ts";

/** Master keys by id; the current one seals, all of them open. */
const keyFile = z.strictObject({
  current: z.string(),
  keys: z.record(z.string().regex(/^[0-9a-f]+$/), z.string().regex(/^[0-9a-f]{64}$/)),
});
type Keys = z.infer<typeof keyFile>;

export interface Sealed {
  readonly keyId: string;
  /** 12 bytes, base64. */
  readonly nonce: string;
  /** Ciphertext and the 16-byte tag behind it, base64. */
  readonly sealed: string;
}

/** Seals values with AES-256-GCM (NIST SP 800-38D) under a master key in a file that only we may read. */
export class MasterKeys {
  readonly #file: string;
  readonly #disk: Disk;
  readonly #random: Random;
  #keys: Keys | null = null;

  constructor(options: { file: string; disk: Disk; random: Random }) {
    this.#file = options.file;
    this.#disk = options.disk;
    this.#random = options.random;
  }

  /** Reads the key file, making it the first time. @throws bad_config on a file that is none */
  async open(): Promise<void> {
    if ((await this.#disk.stat(this.#file)) !== null) {
      // A process that was killed may have left a name here that the disk has not: secrets are about to be sealed with it.
      await this.#disk.syncDirectory(path.dirname(this.#file));
      return await this.reload();
    }
    const id = this.#newId();
    await this.#write({ current: id, keys: { [id]: this.#newKey() } });
  }

  /** Reads the key file again: another process may have rotated. @throws bad_config */
  async reload(): Promise<void> {
    try {
      const keys = keyFile.parse(JSON.parse(new TextDecoder().decode(await this.#disk.readFile(this.#file))));
      if (keys.keys[keys.current] === undefined) throw new Error("the current key is not in the file");
      this.#keys = keys;
    } catch {
      // Without the cause: a parser's message may quote the file.
      throw new MillraceError("bad_config", `The master key file ${this.#file} cannot be read.`, {
        hint: "Restore it: secrets cannot be opened without it.",
      });
    }
  }

  get ids(): string[] {
    return Object.keys(this.#opened().keys);
  }

  has(id: string): boolean {
    return this.#opened().keys[id] !== undefined;
  }

  get currentId(): string {
    return this.#opened().current;
  }

  /** `context` names what is sealed: the value opens under that name only. */
  seal(plaintext: string, context: string): Sealed {
    const { current } = this.#opened();
    const nonce = this.#random.bytes(12);
    const cipher = createCipheriv("aes-256-gcm", this.#key(current), nonce).setAAD(Buffer.from(context));
    const sealed = Buffer.concat([cipher.update(plaintext, "utf8"), cipher.final(), cipher.getAuthTag()]);
    return { keyId: current, nonce: Buffer.from(nonce).toString("base64"), sealed: sealed.toString("base64") };
  }

  /** @throws unavailable where the key is gone or the value was changed */
  unseal(value: Sealed, context: string): string {
    const bytes = Buffer.from(value.sealed, "base64");
    try {
      const decipher = createDecipheriv("aes-256-gcm", this.#key(value.keyId), Buffer.from(value.nonce, "base64"));
      decipher.setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(-16));
      return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString("utf8");
    } catch (cause) {
      throw new MillraceError("unavailable", `The secret ${context} cannot be opened with this server's master keys.`, {
        hint: "Restore the master key file, or put the secret anew.",
        cause,
      });
    }
  }

  /** Adds a key and makes it the current one; the old ones stay, so that a crash before all is sealed anew loses nothing. */
  async rotate(): Promise<void> {
    await this.reload();
    const { keys } = this.#opened();
    const id = this.#newId();
    await this.#write({ current: id, keys: { ...keys, [id]: this.#newKey() } });
  }

  /** Drops all keys but the current one: call it when every secret is sealed under that. */
  async retire(): Promise<void> {
    const { current, keys } = this.#opened();
    await this.#write({ current, keys: { [current]: keys[current] ?? "" } });
  }

  #opened(): Keys {
    if (this.#keys === null) throw new Error("the master keys are not open");
    return this.#keys;
  }

  #key(id: string): Buffer {
    const hex = this.#opened().keys[id];
    if (hex === undefined) throw new Error(`there is no master key ${id}`);
    return Buffer.from(hex, "hex");
  }

  #newId(): string {
    return Buffer.from(this.#random.bytes(6)).toString("hex");
  }

  #newKey(): string {
    return Buffer.from(this.#random.bytes(32)).toString("hex");
  }

  /** Durable before it is used. */
  async #write(keys: Keys): Promise<void> {
    const temporary = `${this.#file}.new`;
    await this.#disk.remove(temporary);
    {
      await using file = await this.#disk.open(temporary, "createNew");
      await file.write(new TextEncoder().encode(JSON.stringify(keys)));
      await file.sync();
    }
    await this.#disk.rename(temporary, this.#file);
    await this.#disk.syncDirectory(path.dirname(this.#file));
    this.#keys = keys;
  }
}
