import type { Disk, DiskFile } from "../../src/base/index.ts";
import type { ObjectStore } from "../../src/storage/index.ts";
import type { Plant } from "./world/world.ts";

/** Bugs to be found: each is a contract that is not kept, put around what a server stands on. */

/** Says that a file is synced, and syncs nothing. */
export const skippedSync: Plant = {
  name: "skip an fsync",
  disk: (disk) => ({
    ...methodsOf(disk),
    async open(path, mode) {
      const file = await disk.open(path, mode);
      return path.endsWith(".log") ? unsynced(file) : file;
    },
  }),
};

function unsynced(file: DiskFile): DiskFile {
  return {
    write: (bytes, position) => file.write(bytes, position),
    read: (position, length) => file.read(position, length),
    truncate: (size) => file.truncate(size),
    sync: async () => {},
    sizeBytes: () => file.sizeBytes(),
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
  };
}

/** Takes every log entry, whoever was first. */
export const droppedIfAbsent: Plant = {
  name: "drop the if-absent",
  store: (store) => ({
    ...operationsOf(store),
    async putIfAbsent(key, body) {
      if (!key.includes("/log/")) return await store.putIfAbsent(key, body);
      await store.put(key, body);
      return "created";
    },
  }),
};

/** Answers that a log entry is made when it is only on its way. */
export const earlyAcknowledgement: Plant = {
  name: "acknowledge early",
  store: (store) => ({
    ...operationsOf(store),
    async putIfAbsent(key, body) {
      if (!key.includes("/log/")) return await store.putIfAbsent(key, body);
      if ((await store.stat(key)) !== null) return "exists";
      store.putIfAbsent(key, body).catch(() => {});
      return "created";
    },
  }),
};

/** Writes a batch that has lost its place at the place that it has lost. */
export const reusedOffset: Plant = {
  name: "reuse an offset",
  converter: (converter) => ({
    ...converter,
    renumber: (slice, call) => converter.renumber({ ...slice, delta: 0 }, call),
  }),
};

/** Of each store, the keys of files that were handed out, by their paths, and those that the newest copy was made of. */
const handedOut = new WeakMap<ObjectStore, { readonly keys: Map<string, string>; copied: readonly string[] }>();

/** Deletes what a copy was made of as soon as the copy is stored: before any reader can find the copy. */
export const compactedUnderReader: Plant = {
  name: "compact under a reader",
  store(store) {
    const known = { keys: new Map<string, string>(), copied: [] as readonly string[] };
    const planted: ObjectStore = {
      ...operationsOf(store),
      async local(key, signal) {
        const file = await store.local(key, signal);
        if (file !== null) known.keys.set(file.path, key);
        return file;
      },
      async adopt(key, path) {
        await store.adopt(key, path);
        if (!key.includes("/layout/data/")) return;
        for (const gone of known.copied) await store.delete(gone);
      },
    };
    handedOut.set(planted, known);
    return planted;
  },
  copier: (copier, store) => ({
    rangeHashes: (order, signal) => copier.rangeHashes(order, signal),
    async writeCopy(order, signal) {
      const known = handedOut.get(store);
      if (known !== undefined) known.copied = order.inputs.flatMap(({ path }) => known.keys.get(path) ?? []);
      return await copier.writeCopy(order, signal);
    },
  }),
};

function methodsOf(disk: Disk): Disk {
  return {
    open: (path, mode) => disk.open(path, mode),
    readFile: (path) => disk.readFile(path),
    rename: (from, to) => disk.rename(from, to),
    link: (existing, to) => disk.link(existing, to),
    remove: (path) => disk.remove(path),
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    stat: (path) => disk.stat(path),
    syncDirectory: (path) => disk.syncDirectory(path),
  };
}

function operationsOf(store: ObjectStore): ObjectStore {
  return {
    put: (key, body) => store.put(key, body),
    putIfAbsent: (key, body) => store.putIfAbsent(key, body),
    adopt: (key, path) => store.adopt(key, path),
    get: (key, options) => store.get(key, options),
    stat: (key) => store.stat(key),
    settle: (key) => store.settle(key),
    list: (prefix, options) => store.list(prefix, options),
    delete: (key) => store.delete(key),
    local: (key, signal) => store.local(key, signal),
  };
}

export const plants: readonly Plant[] = [
  skippedSync,
  droppedIfAbsent,
  earlyAcknowledgement,
  reusedOffset,
  compactedUnderReader,
];
