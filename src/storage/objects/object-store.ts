import { MillraceError } from "../../base/index.ts";

export interface ObjectStat {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** A local file with an object's bytes, readable until it is disposed. */
export interface LocalObject extends AsyncDisposable {
  readonly path: string;
}

/**
 * Named immutable bytes. Keys are `a/b/c`: segments of letters, digits and `._=-` that begin with no dot, up to 255 of them,
 * 1024 in all. No key goes through another (`a` and `a/b`): a file system cannot hold both.
 * - What `put`, `putIfAbsent` and `adopt` have returned survives a crash of machine and process.
 * - An object is there whole or not at all.
 * - Among racing `putIfAbsent` of one key, over all processes, exactly one is told `created`.
 * Every implementation passes conformance.ts.
 */
export interface ObjectStore {
  put(key: string, body: Uint8Array): Promise<void>;
  putIfAbsent(key: string, body: Uint8Array): Promise<"created" | "exists">;
  /**
   * Moves a finished local file in; where the key is taken, the local file is dropped (keys are named by content), or may be
   * gone already.
   */
  adopt(key: string, localPath: string): Promise<void>;
  /** null where absent. A range beyond the end is cut. */
  get(key: string, options?: GetOptions): Promise<Uint8Array | null>;
  /** What is told to be there may not survive a crash yet where its writer was not told so: see `settle`. */
  stat(key: string): Promise<ObjectStat | null>;
  /**
   * Whether the object is there; if so, it survives a crash from now on, whatever became of its writer. To be asked before
   * anything is deleted or acknowledged because another has written it.
   */
  settle(key: string): Promise<boolean>;
  /** Objects whose key begins with `prefix`, in order of keys (by code unit). */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectStat>;
  /** Does nothing where absent. */
  delete(key: string): Promise<void>;
  /** The object as a local file; null where absent. */
  local(key: string, signal?: AbortSignal): Promise<LocalObject | null>;
}

export interface GetOptions {
  readonly range?: { readonly start: number; readonly length: number };
  readonly signal?: AbortSignal;
}

export interface ListOptions {
  /** Only keys behind this one. */
  readonly after?: string;
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

const segment = /^[A-Za-z0-9_=-][A-Za-z0-9._=-]{0,254}$/;

/** @throws bad_name on a key that is not `a/b/c` */
export function checkKey(key: string): void {
  const segments = key.split("/");
  const good = key.length <= 1024 && segments.every((part) => segment.test(part));
  if (!good) throw new MillraceError("bad_name", `"${key.slice(0, 100)}" is not a key of the object store.`);
}

/** Whether keys can begin so. */
export function isPrefix(prefix: string): boolean {
  const folders = prefix.split("/");
  const last = folders.pop() ?? "";
  return prefix.length <= 1024 && folders.every((part) => segment.test(part)) && (last === "" || segment.test(last));
}
