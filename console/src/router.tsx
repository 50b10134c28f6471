import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import type { ReactNode } from "react";
import { sessionQuery } from "./api/session.ts";
import { ErrorPanel, Page, SkeletonRows } from "./design/display.tsx";
import { Toasts } from "./design/overlays.tsx";
import { Shell } from "./shell/shell.tsx";

/** Every address of the console, in one place. */

interface Context {
  readonly client: QueryClient;
}

const root = createRootRouteWithContext<Context>()({
  component: () => (
    <>
      <Outlet />
      <Toasts />
    </>
  ),
  notFoundComponent: NotFound,
});

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: (search: Record<string, unknown>): { next?: string } =>
    typeof search.next === "string" && search.next.startsWith("/") && !search.next.startsWith("//")
      ? { next: search.next }
      : {},
  component: lazyRouteComponent(() => import("./pages/sign-in/sign-in.tsx"), "SignIn"),
});

/** Everything but the sign-in needs somebody. */
const inside = createRoute({
  getParentRoute: () => root,
  id: "inside",
  async beforeLoad({ context, location }) {
    const { who } = await context.client.ensureQueryData(sessionQuery);
    if (who === null) throw redirect({ to: "/sign-in", search: { next: location.href } });
  },
  component: Shell,
});

const home = createRoute({
  getParentRoute: () => inside,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/home/home.tsx"), "Home"),
});

const datasets = createRoute({
  getParentRoute: () => inside,
  path: "/datasets",
  validateSearch: (
    search: Record<string, unknown>,
  ): { find?: string; project?: string; label?: string; sort?: string } =>
    texts(search, ["find", "project", "label", "sort"]),
  component: lazyRouteComponent(() => import("./pages/datasets/datasets.tsx"), "Datasets"),
});

const upload = createRoute({
  getParentRoute: () => inside,
  path: "/upload",
  validateSearch: (search: Record<string, unknown>): { into?: string } => texts(search, ["into"]),
  component: lazyRouteComponent(() => import("./pages/upload/upload.tsx"), "Upload"),
});

const dataset = createRoute({
  getParentRoute: () => inside,
  path: "/datasets/$project/$dataset",
  validateSearch: (
    search: Record<string, unknown>,
  ): { seq?: number; block?: number; pick?: string; reason?: string; column?: string } => ({
    ...blockNumbers(search, ["seq", "block"]),
    ...texts(search, ["pick", "reason", "column"]),
  }),
  component: lazyRouteComponent(() => import("./pages/dataset/dataset.tsx"), "DatasetPage"),
});
const datasetPart = <Path extends string>(path: Path, load: () => Promise<Record<string, unknown>>, name: string) =>
  createRoute({
    getParentRoute: () => dataset,
    path,
    component: lazyRouteComponent(load as () => Promise<Record<string, () => ReactNode>>, name),
  });
const overview = datasetPart("/", () => import("./pages/dataset/overview.tsx"), "Overview");
const schema = datasetPart("/schema", () => import("./pages/dataset/schema.tsx"), "Schema");
const sample = datasetPart("/sample", () => import("./pages/dataset/sample.tsx"), "Sample");
const chain = datasetPart("/chain", () => import("./pages/dataset/chain.tsx"), "Chain");
const quarantine = datasetPart("/quarantine", () => import("./pages/dataset/quarantine.tsx"), "Quarantine");

const datasetLineage = datasetPart("/lineage", () => import("./pages/dataset/lineage.tsx"), "DatasetLineage");
const transform = datasetPart("/transform", () => import("./pages/dataset/transform.tsx"), "TransformPage");

const lineage = createRoute({
  getParentRoute: () => inside,
  path: "/lineage",
  validateSearch: (
    search: Record<string, unknown>,
  ): { project?: string; view?: string; find?: string; pick?: string; focus?: string; fold?: string } =>
    texts(search, ["project", "view", "find", "pick", "focus", "fold"]),
  component: lazyRouteComponent(() => import("./pages/lineage/lineage.tsx"), "Lineage"),
});

const lookups = createRoute({
  getParentRoute: () => inside,
  path: "/lookups",
  component: lazyRouteComponent(() => import("./pages/lookups/lookups.tsx"), "Lookups"),
});

const lookup = createRoute({
  getParentRoute: () => inside,
  path: "/lookups/$project/$lookup",
  validateSearch: (search: Record<string, unknown>): { key?: string; prefix?: string } =>
    texts(search, ["key", "prefix"]),
  component: lazyRouteComponent(() => import("./pages/lookups/lookup.tsx"), "LookupPage"),
});

const workbench = createRoute({
  getParentRoute: () => inside,
  path: "/workbench",
  validateSearch: (search: Record<string, unknown>): { sql?: string; saved?: string } =>
    texts(search, ["sql", "saved"]),
  component: lazyRouteComponent(() => import("./pages/workbench/workbench.tsx"), "Workbench"),
});

const tasks = createRoute({
  getParentRoute: () => inside,
  path: "/tasks",
  validateSearch: (search: Record<string, unknown>): { state?: string; kind?: string; project?: string } =>
    texts(search, ["state", "kind", "project"]),
  component: lazyRouteComponent(() => import("./pages/tasks/tasks.tsx"), "Tasks"),
});

const events = createRoute({
  getParentRoute: () => inside,
  path: "/events",
  validateSearch: (search: Record<string, unknown>): { find?: string; type?: string } =>
    texts(search, ["find", "type"]),
  component: lazyRouteComponent(() => import("./pages/events/events.tsx"), "Events"),
});

const access = createRoute({
  getParentRoute: () => inside,
  path: "/access",
  validateSearch: (search: Record<string, unknown>): { project?: string } => texts(search, ["project"]),
  component: lazyRouteComponent(() => import("./pages/access/access.tsx"), "AccessPage"),
});

const settings = createRoute({
  getParentRoute: () => inside,
  path: "/settings",
  component: lazyRouteComponent(() => import("./pages/settings/settings.tsx"), "Settings"),
});

const components = createRoute({
  getParentRoute: () => inside,
  path: "/components",
  component: lazyRouteComponent(() => import("./pages/components/components.tsx"), "Components"),
});

const tree = root.addChildren([
  signIn,
  inside.addChildren([
    home,
    datasets,
    upload,
    dataset.addChildren([overview, schema, sample, chain, quarantine, transform, datasetLineage]),
    lineage,
    lookups,
    lookup,
    workbench,
    tasks,
    events,
    access,
    settings,
    components,
  ]),
]);

export function makeRouter(client: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { client },
    defaultPreload: "intent",
    defaultPendingMs: 150,
    defaultPendingComponent: () => <SkeletonRows rows={8} />,
    defaultErrorComponent: ({ error, reset }) => (
      <Page title="This page failed">
        <ErrorPanel error={error} again={reset} />
      </Page>
    ),
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}

function NotFound(): ReactNode {
  return (
    <Page title="There is nothing here" about="The address names no page of the console.">
      <p>
        <a href="/">Home</a>
      </p>
    </Page>
  );
}

/** Those members of a search that are texts. */
function texts<Key extends string>(search: Record<string, unknown>, keys: readonly Key[]): { [K in Key]?: string } {
  const found: { [K in Key]?: string } = {};
  for (const key of keys) {
    const value = search[key];
    if (typeof value === "string" && value !== "") found[key] = value;
    else if (typeof value === "number") found[key] = String(value);
  }
  return found;
}

/** Those members of a search that number a block. */
function blockNumbers<Key extends string>(
  search: Record<string, unknown>,
  keys: readonly Key[],
): { [K in Key]?: number } {
  const found: { [K in Key]?: number } = {};
  for (const key of keys) {
    const seq = search[key] === undefined ? Number.NaN : Number(search[key]);
    if (Number.isSafeInteger(seq) && seq >= 0) found[key] = seq;
  }
  return found;
}
