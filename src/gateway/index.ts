import type { Clock, IdSource, Service, Telemetry } from "../base/index.ts";
import { consolePages } from "./console/index.ts";
import { type BindOptions, decideTls, defaultLimits, type EdgeLimits, EdgeServer } from "./edge/index.ts";
import { httpRoutes, type Principal, type Rooms } from "./http/index.ts";
import { RedisDoor, type RedisOptions } from "./redis/index.ts";

export { type BindOptions, checkPort, type EdgeLimits } from "./edge/index.ts";
export type * from "./http/index.ts";

export interface GatewayOptions<Format> {
  readonly rooms: Rooms<Format>;
  readonly bind: BindOptions;
  readonly limits?: Partial<EdgeLimits>;
  /** Serves /metrics without a token while the server listens on loopback only. */
  readonly metricsOpen: boolean;
  /** Where the built console lies; the pages that a browser sees. */
  readonly consoleDirectory: string;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly telemetry: Telemetry;
}

/** The HTTP door. */
export interface Gateway extends Service {
  /** Where it answers, as in `http://127.0.0.1:8080`. @throws Error before start */
  readonly url: string;
}

/** The Redis protocol's door to lookups. */
export function openRedisDoor(options: RedisOptions): Service {
  return new RedisDoor(options);
}

/** Whether the gateway would listen so; asked before anything is started. @throws bad_config */
export async function checkBind(bind: BindOptions): Promise<void> {
  await decideTls(bind);
}

export function openGateway<Format>(options: GatewayOptions<Format>): Gateway {
  const { rooms, bind, metricsOpen, clock, ids, telemetry } = options;
  const { log, metrics } = telemetry;
  const routes = httpRoutes(rooms, { clock, metrics, log, draining: () => server.draining });
  const server: EdgeServer<Principal> = new EdgeServer({
    bind,
    limits: { ...defaultLimits, ...options.limits },
    metricsOpen,
    authenticator: rooms.access,
    routes: routes.map(({ edge }) => edge),
    pages: consolePages(options.consoleDirectory, clock),
    clock,
    ids,
    telemetry,
  });
  return server;
}
