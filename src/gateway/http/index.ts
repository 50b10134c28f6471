import type { Clock, Logger, Metrics } from "../../base/index.ts";
import { accessRoutes } from "./access.ts";
import { activityRoutes } from "./activity.ts";
import type { Rooms } from "./contract.ts";
import { datasetRoutes } from "./datasets.ts";
import { lineageRoutes } from "./lineage.ts";
import { liveRoutes } from "./live.ts";
import { lookupRoutes } from "./lookups.ts";
import { odfRoutes } from "./odf.ts";
import { previewRoutes } from "./preview.ts";
import { replicaRoutes } from "./replicas.ts";
import { resourceRoutes } from "./resources.ts";
import type { HttpRoute } from "./route.ts";
import { rowRoutes } from "./rows.ts";
import { sessionRoutes } from "./session.ts";
import { sqlRoutes } from "./sql.ts";
import { systemRoutes } from "./system.ts";
import { workRoutes } from "./work.ts";

export type * from "./access-contract.ts";
export type * from "./contract.ts";
export type * from "./query-contract.ts";
export type * from "./resource-contract.ts";
export type { HttpRoute, RouteDescription } from "./route.ts";
export type * from "./views.ts";

/** Every route of the API. `draining` is asked late, because the server that drains is made of these routes. */
export function httpRoutes<Format>(
  rooms: Rooms<Format>,
  options: {
    readonly clock: Clock;
    readonly metrics: Metrics;
    readonly log: Logger;
    readonly draining: () => AbortSignal;
  },
): readonly HttpRoute[] {
  const routes: HttpRoute[] = [
    ...accessRoutes(rooms),
    ...sessionRoutes(rooms, options),
    ...resourceRoutes(rooms),
    ...datasetRoutes(rooms),
    ...activityRoutes(rooms),
    ...odfRoutes(rooms),
    ...replicaRoutes(rooms),
    ...rowRoutes(rooms),
    ...previewRoutes(rooms),
    ...sqlRoutes(rooms),
    ...lookupRoutes(rooms),
    ...lineageRoutes(rooms),
    ...workRoutes(rooms, options),
    ...liveRoutes(rooms, options),
  ];
  const describe = () => routes.map(({ description }) => description);
  routes.push(...systemRoutes(rooms, { draining: options.draining, describe }));
  return routes;
}
