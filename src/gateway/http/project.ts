import { MillraceError, type ProjectName } from "../../base/index.ts";
import type { Principal } from "./access-contract.ts";
import type { Rooms } from "./contract.ts";

/** Makes a project where it is absent and the caller may. @throws forbidden */
export async function ensureProject<Format>(
  { access, resources }: Pick<Rooms<Format>, "access" | "resources">,
  project: ProjectName,
  principal: Principal,
): Promise<void> {
  if ((await resources.get({ kind: "Project", project: null, name: project })) !== null) return;
  await access.authorize(principal, "organization.admin", {});
  const by = principal.user;
  await orExists(resources.apply({ kind: "Project", name: project, spec: {} }, { by, expectedGeneration: 0 }));
}

/** Generation 0 says "must not exist yet": of many at once, one makes it and the others find it made. */
export async function orExists(applied: Promise<unknown>): Promise<void> {
  try {
    await applied;
  } catch (error) {
    const isMade =
      error instanceof MillraceError && ["conflict", "already_exists", "precondition_failed"].includes(error.code);
    if (!isMade) throw error;
  }
}
