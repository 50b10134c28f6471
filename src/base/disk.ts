/**
 * The file system as Millrace uses it, so that a simulated disk can tear, lose and delay writes. Paths are absolute.
 * Nothing is durable before `sync` of the file *and* `syncDirectory` of the folder that names it.
 */
export interface Disk {
  /**
   * `read`: must exist. `append`: made if absent, writes go to the end. `createNew`: fails with EEXIST if present.
   * `write`: made if absent, emptied if present.
   */
  open(path: string, mode: "read" | "append" | "createNew" | "write"): Promise<DiskFile>;
  /** Whole content. Throws ENOENT. */
  readFile(path: string): Promise<Uint8Array>;
  /** Atomic; replaces what is there. */
  rename(from: string, to: string): Promise<void>;
  /** A second name for the same file; EEXIST if `to` is taken. The create-if-absent of file systems. */
  link(existing: string, to: string): Promise<void>;
  /** Does nothing where the file is absent. */
  remove(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  /** Names in the folder, sorted; empty where the folder is absent. */
  list(path: string): Promise<readonly DiskEntry[]>;
  /** null where absent. */
  stat(path: string): Promise<DiskStat | null>;
  syncDirectory(path: string): Promise<void>;
}

export interface DiskEntry {
  readonly name: string;
  readonly kind: "file" | "directory";
}

export interface DiskStat {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly kind: "file" | "directory";
  /** Another one whenever the file, its bytes or its name change; absent where the disk cannot tell. */
  readonly identity?: string;
}

export interface DiskFile extends AsyncDisposable {
  /** Writes all of it: at the position, or at the end of the file in `append` mode. */
  write(bytes: Uint8Array, position?: number): Promise<void>;
  /** Up to `length` bytes from `position`; shorter at the end of the file. */
  read(position: number, length: number): Promise<Uint8Array>;
  truncate(sizeBytes: number): Promise<void>;
  sync(): Promise<void>;
  sizeBytes(): Promise<number>;
}
