import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Service } from "../../base/index.ts";
import { cannotListen, decideTls, reachableHost } from "../edge/index.ts";
import { Connection } from "./connection.ts";
import { defaultRedisLimits, type RedisOptions } from "./contract.ts";

const tellMs = 1_000;

/** The Redis protocol's door to lookups: it only reads. */
export class RedisDoor implements Service {
  readonly name = "gateway.redis";
  readonly #options: RedisOptions;
  readonly #connections = new Map<Socket, Connection>();
  #server: Server | null = null;
  #lastId = 0;
  #answered = 0;
  #forgetTimer: (() => void) | null = null;

  constructor(options: RedisOptions) {
    this.#options = options;
  }

  /** @throws bad_config for a public address without TLS; unavailable when the port is taken */
  async start(): Promise<void> {
    const { bind, telemetry } = this.#options;
    const tls = await decideTls(bind);
    const taken = (socket: Socket) => this.#take(socket);
    const server =
      tls === null
        ? createServer(taken)
        : createTlsServer({ ...tls, minVersion: "TLSv1.2", handshakeTimeout: 15_000 }, taken);
    this.#server = server;
    server.maxConnections = this.#limits.maxConnections;
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause) => reject(cannotListen(bind.host, bind.port, cause)));
      server.listen({ host: bind.host, port: bind.port }, resolve);
    });
    server.on("error", (error) => telemetry.log.warn("the Redis door had an error", { error }));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : bind.port;
    telemetry.log.info("listening", {
      url: `${tls === null ? "redis" : "rediss"}://${reachableHost(bind.host)}:${port}`,
    });
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    this.#forgetTimer?.();
    if (server === null) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of this.#connections.values()) connection.stop();
    await closed;
  }

  get #limits() {
    return { ...defaultRedisLimits, ...this.#options.limits };
  }

  #take(socket: Socket): void {
    const { access, lookups, version, clock, telemetry } = this.#options;
    const connection = new Connection({
      id: ++this.#lastId,
      socket,
      access,
      lookups,
      version,
      limits: this.#limits,
      clock,
      log: telemetry.log,
      answered: (requests) => {
        this.#answered += requests;
        this.#tellLater();
      },
    });
    this.#connections.set(socket, connection);
    telemetry.metrics.gauge("redis_connections", this.#connections.size);
    socket.once("close", () => {
      this.#connections.delete(socket);
      telemetry.metrics.gauge("redis_connections", this.#connections.size);
    });
  }

  #tellLater(): void {
    const { clock, telemetry } = this.#options;
    this.#forgetTimer ??= clock.timer(tellMs, () => {
      this.#forgetTimer = null;
      telemetry.metrics.count("redis_requests_total", this.#answered);
      this.#answered = 0;
    });
  }
}
