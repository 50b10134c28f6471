import type { z } from "zod";
import { formatInstant, projectName } from "../../base/index.ts";
import type { Access, Principal } from "./access-contract.ts";
import type { EventRecord } from "./contract.ts";
import type { eventView } from "./views.ts";

/** Tasks and events of a project need project.view; those of no project, organization.admin. */
export function seesProject(access: Access, principal: Principal, project: string | null): Promise<boolean> {
  return project === null
    ? access.allows(principal, "organization.admin", {})
    : access.allows(principal, "project.view", { project: projectName(project) });
}

/** What of these the principal may see; each project is asked about once. */
export async function visibleTo<Item extends { readonly project: string | null }>(
  access: Access,
  principal: Principal,
  items: readonly Item[],
): Promise<Item[]> {
  const known = new Map<string | null, boolean>();
  const shown: Item[] = [];
  for (const item of items) {
    const isSeen = known.get(item.project) ?? (await seesProject(access, principal, item.project));
    known.set(item.project, isSeen);
    if (isSeen) shown.push(item);
  }
  return shown;
}

export function viewOfEvent(event: EventRecord): z.infer<typeof eventView> {
  const { position, id, at, type, subject, project, data } = event;
  return { position, id, at: formatInstant(at), type, subject, project, data };
}
