import path from "node:path";
import { type DatasetPath, type Disk, formatDatasetPath, MillraceError, type Random } from "../base/index.ts";
import { type Datasets, receiveObject } from "../datasets/index.ts";
import type { ReplicaDoor } from "../gateway/index.ts";
import { datasetKind, type Resources } from "../resources/index.ts";

export interface ReplicasDoorOptions {
  readonly datasets: Datasets;
  readonly resources: Resources;
  readonly disk: Disk;
  readonly random: Random;
  /** Where objects lie until their bytes are proven; emptied at the first use. */
  readonly directory: string;
}

/** Copies of datasets elsewhere, as the API takes them in. */
export function replicasDoor({ datasets, resources, disk, random, directory }: ReplicasDoorOptions): ReplicaDoor {
  const { replicas } = datasets;
  let ready: Promise<void> | null = null;
  const prepare = async () => {
    await disk.makeDirectory(directory);
    for (const { name } of await disk.list(directory)) await disk.remove(path.join(directory, name));
  };
  const emptied = () => {
    ready ??= prepare();
    return ready;
  };
  const received = async (named: Parameters<typeof receiveObject>[2], body: AsyncIterable<Uint8Array>) => {
    await emptied();
    const file = path.join(directory, Buffer.from(random.bytes(16)).toString("hex"));
    await receiveObject(disk, file, named, body);
    return file;
  };
  return {
    // In this order: whoever finds the dataset by its name finds it declared as a copy.
    async begin(name, origin, seed, by) {
      const { project, dataset } = name;
      const resource = { kind: "Dataset", project, name: dataset };
      const declared = await resources.get(datasetKind, project, dataset);
      const isOurs = declared === null ? (await datasets.find(name)) !== null : declared.spec.replica === undefined;
      if (isOurs || (declared !== null && declared.spec.replica?.origin !== origin)) throw takenName(name);
      const id = await replicas.begin(name, origin, seed);
      if (declared === null)
        await resources.apply({ ...resource, spec: { replica: { origin } } }, { by, expectedGeneration: 0 });
      const ref = await datasets.nameReplica(id, name);
      await resources.setStatus(resource, { datasetId: id });
      return ref;
    },
    origin: async (id) => (await replicas.origin(id))?.origin ?? null,
    walk: (name, id, from, signal) => replicas.walk(name, id, from, signal),
    putBlocks: (name, blocks) => replicas.waiting.put(name, blocks),
    async putObject(copy, { block, part, hash }, body) {
      const named = await replicas.expect(copy, block, part, hash);
      await replicas.adopt(copy, named, await received(named, body));
    },
    offerRegion: (copy, manifest, signal) => replicas.offer(copy, manifest, signal),
    async putCopy(copy, { level, index, hash }, body) {
      const named = await replicas.standIns.expect(copy, { level, index }, hash);
      await replicas.adoptCopy(copy, named.key, await received(named, body));
    },
    expire: (copy, before, drop, signal) => replicas.expire(copy, before, drop, signal),
    advance: (copy, blocks, signal) => replicas.advance(copy, blocks, signal),
    clear: (name, signal) => replicas.waiting.clear(name, signal),
  };
}

function takenName(name: DatasetPath): MillraceError {
  return new MillraceError("already_exists", `${formatDatasetPath(name)} is something else already.`, {
    hint: "Choose another name with --as.",
  });
}
