import type { DatasetPath, ProjectName, UserName } from "../base/index.ts";
import type { Resources } from "../resources/index.ts";
import { grantKind, memberKind, type Privilege, type Role } from "./kinds.ts";

export type Grant =
  | { readonly kind: "role"; readonly user: string; readonly role: Role }
  | { readonly kind: "dataset"; readonly user: string; readonly dataset: string; readonly privilege: Privilege };

interface OnDataset {
  readonly dataset: DatasetPath;
  readonly user: UserName;
  readonly privilege: Privilege;
}

/** Roles in projects and privileges on datasets. Each change takes effect before it resolves. */
export class Grants {
  readonly #resources: Resources;

  constructor(resources: Resources) {
    this.#resources = resources;
  }

  async list(project: ProjectName): Promise<Grant[]> {
    const [members, grants] = await Promise.all([
      this.#resources.list(memberKind, { project }),
      this.#resources.list(grantKind, { project }),
    ]);
    return [
      ...members.map((member): Grant => ({ kind: "role", user: member.name, role: member.spec.role })),
      ...grants.flatMap(({ spec: { user, dataset, privileges } }) =>
        privileges.map((privilege): Grant => ({ kind: "dataset", user, dataset, privilege })),
      ),
    ];
  }

  /** null takes the role away, also where there is none. @throws not_found (user, project) */
  async setRole(input: { project: ProjectName; user: UserName; role: Role | null }, by: string): Promise<void> {
    const ref = { kind: memberKind.kind, project: input.project, name: input.user };
    await this.#resources.change(async (changes) => {
      if (input.role !== null) await changes.apply({ ...ref, spec: { role: input.role } }, { by });
      else if ((await changes.get(memberKind, ref.project, ref.name)) !== null) await changes.delete(ref, { by });
    });
  }

  /** @throws not_found (user), dataset_not_found */
  async grant(input: OnDataset, by: string): Promise<void> {
    await this.#hold(input, (held) => [...new Set([...held, input.privilege])], by);
  }

  /** Also where it is not held. */
  async revoke(input: OnDataset, by: string): Promise<void> {
    await this.#hold(input, (held) => held.filter((privilege) => privilege !== input.privilege), by);
  }

  async #hold(
    { dataset, user }: OnDataset,
    change: (held: readonly Privilege[]) => Privilege[],
    by: string,
  ): Promise<void> {
    const ref = { kind: grantKind.kind, project: dataset.project, name: `${dataset.dataset}.${user}` };
    await this.#resources.change(async (changes) => {
      const held = (await changes.get(grantKind, ref.project, ref.name))?.spec.privileges ?? [];
      const privileges = change(held);
      const spec = { dataset: dataset.dataset, user, privileges };
      if (privileges.length > 0) await changes.apply({ ...ref, spec }, { by });
      else if (held.length > 0) await changes.delete(ref, { by });
    });
  }
}
