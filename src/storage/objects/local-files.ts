import type { LocalObject } from "./object-store.ts";

/** Takes a whole object: first its size, then its bytes in their order. */
export interface ObjectSink {
  begin(sizeBytes: number): Promise<void>;
  take(bytes: Uint8Array): Promise<void>;
}

/** Reads a whole object into a sink. False where it is absent. */
export type ReadObject = (sink: ObjectSink, signal: AbortSignal) => Promise<boolean>;

/** Objects of a remote store as local files. */
export interface LocalFiles extends AsyncDisposable {
  /** A file with the bytes that `read` gives, held until disposed; null where it gives none. */
  open(key: string, read: ReadObject, signal?: AbortSignal): Promise<LocalObject | null>;
  /** Takes a file that has become an object, or drops it. */
  adopt(key: string, localPath: string): Promise<void>;
  /** Told of an object that was deleted. */
  forget(key: string): Promise<void>;
}
