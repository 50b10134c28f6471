import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { ask, path } from "../../api/client.ts";
import type { Resource } from "../../api/types.ts";
import { labelsOf } from "./listed.ts";

const mostProjects = 2_000;
const atOnce = 6;
/** Up to so many projects, what the stream tells makes their labels old at once; more are asked for anew once in a while. */
const mostFollowed = 100;

/** The labels of datasets by `project.dataset`. They are the resources' own: an answer or more a project, a few asked for at a time. */
export const labelsQuery = (projects: readonly string[]) =>
  queryOptions({
    queryKey: [projects.length <= mostFollowed ? "resources" : "labels", "labels of datasets", projects],
    async queryFn({ signal }) {
      const found = new Map<string, readonly string[]>();
      const waiting = projects.slice(0, mostProjects).values();
      const work = async () => {
        for (const project of waiting)
          for await (const resource of datasetsOf(project, signal)) {
            const labels = labelsOf(resource);
            if (labels.length > 0) found.set(`${project}.${resource.name}`, labels);
          }
      };
      await Promise.all(Array.from({ length: atOnce }, work));
      return found;
    },
    enabled: projects.length > 0,
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });

async function* datasetsOf(project: string, signal: AbortSignal): AsyncGenerator<Resource> {
  for (let after: string | null = null; ; ) {
    const page: { resources: Resource[]; next: string | null } = await ask(
      path`/api/v1/projects/${project}/resources/Dataset`,
      { query: { limit: 1_000, after }, signal },
    );
    yield* page.resources;
    if (page.next === null) return;
    after = page.next;
  }
}
