import path from "node:path";
import { type Clock, type Disk, organizationName, systemClock, systemRandom, userName } from "../../src/base/index.ts";
import { Identity, identityKinds, MasterKeys, type Principal } from "../../src/identity/index.ts";
import type { Resources } from "../../src/resources/index.ts";
import { nodeDisk } from "../../src/storage/index.ts";
import { type OpenResources, openResources } from "../resources/open.ts";

export interface OpenIdentity extends AsyncDisposable {
  readonly open: OpenResources;
  readonly resources: Resources;
  readonly identity: Identity;
  readonly masterKeys: MasterKeys;
  readonly keyFile: string;
  readonly ownerToken: string;
  readonly owner: Principal;
  /** Another server on the same database, store and key file. */
  another(options?: { resources?: Resources; clock?: Clock; disk?: Disk }): Promise<{
    identity: Identity;
    masterKeys: MasterKeys;
    resources: Resources;
  }>;
}

export const passwordOf = (name: string) => `the password of ${name}`;

/** Identity on real PostgreSQL and a real directory store, with its owner and the datasets web.access and web.other. */
export async function openIdentity(): Promise<OpenIdentity> {
  const open = await openResources(identityKinds);
  const keyFile = path.join(open.folder, "master.key");
  const another: OpenIdentity["another"] = async (options = {}) => {
    const resources = options.resources ?? open.another();
    const masterKeys = new MasterKeys({ file: keyFile, disk: options.disk ?? nodeDisk, random: systemRandom });
    await masterKeys.open();
    const clock = options.clock ?? systemClock;
    return { identity: new Identity({ resources, masterKeys, clock, random: systemRandom }), masterKeys, resources };
  };
  const first = await another({ resources: open.resources });
  const start = { organization: organizationName("default"), owner: userName("owner") };
  const ownerToken = (await first.identity.bootstrap(start)) ?? "";
  const owner = await first.identity.authenticate({ kind: "token", token: ownerToken });
  await open.resources.apply({ kind: "Project", name: "web", spec: {} }, { by: "owner" });
  for (const name of ["access", "other"]) {
    await open.resources.apply({ kind: "Dataset", project: "web", name, spec: {} }, { by: "owner" });
  }
  return {
    ...first,
    open,
    keyFile,
    ownerToken,
    owner,
    another,
    [Symbol.asyncDispose]: () => open[Symbol.asyncDispose](),
  };
}
