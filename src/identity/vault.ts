import { type Instant, type Logger, MillraceError, Mutex, type ProjectName } from "../base/index.ts";
import type { Resource, Resources } from "../resources/index.ts";
import { secretKind } from "./kinds.ts";
import type { MasterKeys, Sealed } from "./secrets.ts";

/**
 * Secrets of projects, sealed in their resources.
 *
 * Rotation: a new key is current and durable ──▶ every secret is sealed anew ──▶ none is left under another key ──▶ the
 * others are dropped. Cut off anywhere, the key file opens everything, and `resume` or the next rotation goes on.
 */
export class Vault {
  readonly #resources: Resources;
  readonly #keys: MasterKeys;
  readonly #log: Logger;
  /** No secret is sealed under a key that is about to be dropped. */
  readonly #turns = new Mutex();

  constructor(options: { resources: Resources; masterKeys: MasterKeys; log: Logger }) {
    this.#resources = options.resources;
    this.#keys = options.masterKeys;
    this.#log = options.log;
  }

  async list(project: ProjectName): Promise<{ name: string; updatedAt: Instant }[]> {
    return (await this.#resources.list(secretKind, { project })).map(({ name, updatedAt }) => ({ name, updatedAt }));
  }

  /** @throws not_found (project), bad_name */
  async put(input: { project: ProjectName; name: string; value: string }, by: string): Promise<void> {
    const { project, name, value } = input;
    await this.#turns.run(async () => {
      for (;;) {
        await this.#keys.reload();
        const spec = this.#keys.seal(value, contextOf(project, name));
        await this.#resources.apply({ kind: secretKind.kind, project, name, spec }, { by });
        // Another server may have ended a rotation since we read the keys: then once more.
        await this.#keys.reload();
        if (this.#keys.has(spec.keyId)) return;
      }
    });
  }

  /** @throws not_found */
  async delete(input: { project: ProjectName; name: string }, by: string): Promise<void> {
    await this.#resources.delete({ kind: secretKind.kind, project: input.project, name: input.name }, { by });
  }

  /** For connections; never for a reader of the API. @throws not_found, unavailable */
  async open(project: ProjectName, name: string): Promise<string> {
    const secret = await this.#resources.get(secretKind, project, name);
    if (secret === null) throw new MillraceError("not_found", `There is no secret ${project}/${name}.`);
    if (!this.#keys.has(secret.spec.keyId)) await this.#keys.reload(); // sealed by another server since
    return this.#keys.unseal(secret.spec, contextOf(project, name));
  }

  /** @throws unavailable where a secret cannot be opened: it is named, and the old keys stay */
  async rotate(by: string): Promise<{ resealed: number }> {
    return await this.#turns.run(async () => {
      await this.#keys.rotate();
      return await this.#finish(by);
    });
  }

  /** Ends a rotation that was cut off. Does not throw: everything opens meanwhile. */
  async resume(by: string): Promise<void> {
    await this.#turns.run(async () => {
      if (this.#keys.ids.length <= 1) return;
      try {
        const { resealed } = await this.#finish(by);
        this.#log.info("ended the rotation of the master key", { resealed });
      } catch (error) {
        this.#log.warn("the rotation of the master key could not be ended", { error });
      }
    });
  }

  async #finish(by: string): Promise<{ resealed: number }> {
    let resealed = 0;
    for (;;) {
      const left = await this.#underOtherKeys();
      if (left.length === 0) break;
      for (const secret of left) if (await this.#reseal(secret, by)) resealed++;
    }
    await this.#keys.retire();
    return { resealed };
  }

  async #underOtherKeys(): Promise<Resource<Sealed>[]> {
    const found: Resource<Sealed>[] = [];
    for await (const secret of this.#resources.all(secretKind)) {
      if (secret.spec.keyId !== this.#keys.currentId) found.push(secret);
    }
    return found;
  }

  /** @returns false where it was changed or deleted meanwhile: the next look decides */
  async #reseal({ project, name, generation, spec: sealed }: Resource<Sealed>, by: string): Promise<boolean> {
    const context = contextOf(project ?? "", name);
    const spec = this.#keys.seal(this.#keys.unseal(sealed, context), context);
    const input = { kind: secretKind.kind, project: project ?? undefined, name, spec };
    try {
      await this.#resources.apply(input, { by, expectedGeneration: generation });
      return true;
    } catch (error) {
      if (error instanceof MillraceError && error.code === "precondition_failed") return false;
      throw error;
    }
  }
}

/** A value opens under its own name only. */
function contextOf(project: string, name: string): string {
  return `${project}/${name}`;
}
