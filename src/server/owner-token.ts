import path from "node:path";
import { type Disk, organizationName, silentTelemetry, userName } from "../base/index.ts";
import { Identity, MasterKeys } from "../identity/index.ts";
import { nodeDisk } from "../storage/index.ts";
import type { Foundation } from "./foundation.ts";

/** What the first start calls them. */
export const firstOrganization = organizationName("default");
export const firstOwner = userName("owner");

/** Where the first token of the owner lies. */
export function ownerTokenFile(directory: string): string {
  return path.join(directory, "owner.token");
}

/**
 * A new token of an owner, where the folder has none: whoever has the object store and this machine is the owner, though all
 * that the old disk held is gone. @returns the file that it was written to, or null where one is there
 */
export async function renewOwnerToken(foundation: Foundation): Promise<string | null> {
  const { directory, clock, random, resources } = foundation;
  const file = ownerTokenFile(directory);
  if ((await nodeDisk.stat(file)) !== null) return null;
  const masterKeys = new MasterKeys({ file: path.join(directory, "master.key"), disk: nodeDisk, random });
  await masterKeys.open();
  const identity = new Identity({ resources, masterKeys, clock, random, log: silentTelemetry.log });
  const owner = (await identity.listUsers()).find((user) => user.isOwner);
  if (owner === undefined) return null; // nothing was restored: the first start makes one
  const wanted = { user: userName(owner.name), label: "restored", scopes: ["admin"], mintedBy: null };
  const { token } = await identity.createToken(wanted, userName("millrace"));
  await writePrivate(nodeDisk, file, `${token}\n`);
  return file;
}

/** Writes a file that only its owner reads, whole or not at all, durably. */
export async function writePrivate(disk: Disk, file: string, text: string): Promise<void> {
  const temporary = `${file}.new`;
  await disk.remove(temporary);
  {
    await using handle = await disk.open(temporary, "createNew");
    await handle.write(new TextEncoder().encode(text));
    await handle.sync();
  }
  await disk.rename(temporary, file);
  await disk.syncDirectory(path.dirname(file));
}
