import { idSource, type Logger, silentTelemetry, systemClock, systemRandom } from "../../src/base/index.ts";
import { type BindOptions, type EdgeLimits, type Gateway, openGateway, type Rooms } from "../../src/gateway/index.ts";
import { openMetrics } from "../../src/telemetry/index.ts";
import { type FakeRooms, fakeRooms } from "./rooms.ts";

export interface Served extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly fake: FakeRooms;
  readonly logged: { level: string; message: string; fields: Record<string, unknown> }[];
  readonly port: number;
  /** The metrics as text. */
  exposed(): Promise<string>;
  /** Asks as the owner, unless the headers say otherwise. */
  ask(path: string, init?: RequestInit): Promise<Response>;
  json(path: string, init?: RequestInit): Promise<{ status: number; headers: Headers; body: unknown }>;
}

interface ServeOptions {
  readonly limits?: Partial<EdgeLimits>;
  readonly metricsOpen?: boolean;
  readonly bind?: Partial<BindOptions>;
  /** Where the built console lies; none is built unless said. */
  readonly consoleDirectory?: string;
  /** In the place of those in memory. */
  readonly rooms?: Partial<Rooms<string>>;
}

/** A gateway on a free loopback port, before rooms in memory. An undeclared metric fails. */
export async function serve(options: ServeOptions = {}): Promise<Served> {
  const fake = fakeRooms();
  const logged: Served["logged"] = [];
  const say =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      logged.push({ level, message, fields: { ...fields } });
    };
  const log: Logger = {
    debug: say("debug"),
    info: say("info"),
    warn: say("warn"),
    error: say("error"),
    child: () => log,
  };
  const metrics = openMetrics({ log: silentTelemetry.log, undeclared: "throw" });
  const gateway = openGateway({
    rooms: { ...fake.rooms, ...options.rooms },
    bind: {
      host: "127.0.0.1",
      port: 0,
      tlsCertificate: null,
      tlsKey: null,
      allowPlaintext: false,
      ...options.bind,
    },
    limits: options.limits ?? {},
    metricsOpen: options.metricsOpen ?? true,
    consoleDirectory: options.consoleDirectory ?? "/nowhere/console",
    clock: systemClock,
    ids: idSource(systemClock, systemRandom),
    telemetry: { log, metrics },
  });
  await gateway.start(new AbortController().signal);
  const ask = (path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    if (!headers.has("authorization")) headers.set("authorization", "Bearer mlr_owner");
    return fetch(new URL(path, gateway.url), { ...init, headers });
  };
  return {
    gateway,
    fake,
    logged,
    port: Number(new URL(gateway.url).port),
    exposed: () => metrics.expose(),
    ask,
    async json(path, init) {
      const reply = await ask(path, init);
      const text = await reply.text();
      return { status: reply.status, headers: reply.headers, body: text === "" ? null : JSON.parse(text) };
    },
    [Symbol.asyncDispose]: () => gateway.stop(),
  };
}
