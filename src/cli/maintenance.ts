import { type Command, flagOption } from "./command.ts";
import { configurationOptions, readConfiguration, settingNames } from "./configuration.ts";

export const reindexCommand: Command = {
  name: "reindex",
  summary: "Drops the index of all chains and rebuilds it from the object store (the server must be stopped).",
  usage: "[--data-dir DIR]",
  arity: [0, 0],
  options: configurationOptions,
  acceptsSettings: settingNames,
  async run(invocation) {
    const { reindex } = await import("../server/index.ts");
    const { datasets, blocks, broken } = await reindex(readConfiguration(invocation), invocation.signal);
    process.stdout.write(`indexed ${datasets} datasets, ${blocks} blocks\n`);
    for (const { dataset, reason } of broken) process.stderr.write(`${dataset} cannot be read: ${reason}\n`);
    return broken.length === 0 ? 0 : 1;
  },
};

export const restoreDefinitionsCommand: Command = {
  name: "restore-definitions",
  summary:
    "Rebuilds an empty PostgreSQL from the definitions mirrored in the object store (the server must be stopped).",
  usage: "[--data-dir DIR] [--replace]",
  arity: [0, 0],
  options: {
    ...configurationOptions,
    replace: { type: "boolean", help: "Drops the definitions that PostgreSQL holds, in favour of the mirror's" },
  },
  acceptsSettings: settingNames,
  async run(invocation) {
    const { restore } = await import("../server/index.ts");
    const { restored, ownerToken } = await restore(
      readConfiguration(invocation, ["replace"]),
      flagOption(invocation, "replace"),
      invocation.signal,
    );
    process.stdout.write(`restored ${restored} definitions\n`);
    if (ownerToken !== null) process.stderr.write(`a new token of the owner is in ${ownerToken}\n`);
    return 0;
  },
};
