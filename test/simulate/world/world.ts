import type { Disk, LogFields, Logger } from "../../../src/base/index.ts";
import type { CopyWorker } from "../../../src/datasets/layout/work.ts";
import type { Converter } from "../../../src/ingest/convert/converter.ts";
import { directoryStore, type ObjectStore } from "../../../src/storage/index.ts";
import { connectionLost, connectSimulated } from "../postgres/client.ts";
import { Database } from "../postgres/database.ts";
import { Platter, SimulatedDisk } from "./disk.ts";
import { FolderNode } from "./file.ts";
import { goodLink, Link } from "./link.ts";
import { rowConverter, rowCopier } from "./rows.ts";
import { Actor, Chance, Scheduler, SimulatedClock, streamOf } from "./scheduler.ts";
import { Server, smallLayout } from "./server.ts";
import { Bucket, RemoteStore, storeAway } from "./store.ts";
import { Trace } from "./trace.ts";

/** A bug put into the world on purpose, around the contracts that a server stands on. */
export interface Plant {
  readonly name: string;
  disk?(disk: Disk): Disk;
  store?(store: ObjectStore): ObjectStore;
  copier?(copier: CopyWorker, store: ObjectStore): CopyWorker;
  converter?(converter: Converter): Converter;
}

export interface WorldOptions {
  readonly seed: number;
  readonly machines: number;
  /** One machine whose folder is the store, or a bucket that all share. */
  readonly storeKind: "folder" | "bucket";
  /** Chains are packed and compacted after a few commits already. */
  readonly isLongLived: boolean;
  readonly plant: Plant | null;
  /** Called for each process before it starts. */
  readonly equip?: (world: World, machine: Machine, server: Server) => void;
}

/** A machine: what outlives its processes. */
export class Machine {
  readonly name: string;
  readonly platter: Platter;
  readonly wall = { skewMs: 0 };
  readonly storeLink = goodLink();
  readonly databaseLink = goodLink();
  /** How often a worker is lost, and how often a connection to the database breaks. */
  readonly rates = { workerLosses: 0, connectionBreaks: 0 };
  actor: Actor;
  server: Server | null = null;
  /** Since its process has started, all of it. */
  isReady = false;
  starts = 0;

  constructor(name: string, platter: Platter) {
    this.name = name;
    this.platter = platter;
    // The operator's own folder, there before the first start.
    platter.root.names.set(name, new FolderNode());
    platter.root.sync();
    this.actor = new Actor(name);
    this.actor.kill();
  }
}

/** Servers, what they stand on, and time. Everything in it follows from the seed. */
export class World {
  readonly options: WorldOptions;
  readonly scheduler = new Scheduler();
  readonly trace = new Trace(() => this.scheduler.nowMs);
  readonly bucket = new Bucket(this.scheduler);
  readonly database: Database;
  readonly machines: readonly Machine[];
  /** Errors that servers have logged, which nothing that is injected explains. */
  readonly errors: string[] = [];
  bucketIsAway = false;

  constructor(options: WorldOptions) {
    this.options = options;
    this.database = new Database(this.scheduler, this.chance("database"));
    // Processes of one folder are on one machine: they share its disk, and its power.
    const shared = new Platter();
    this.machines = Array.from({ length: options.machines }, (_, at) => {
      return new Machine(`s${at + 1}`, options.storeKind === "folder" ? shared : new Platter());
    });
  }

  chance(name: string): Chance {
    return new Chance(this.options.seed, name);
  }

  /** Starts a machine's process; it is ready when it has recovered. Where it cannot start, it is tried again. */
  start(machine: Machine): void {
    if (machine.actor.state !== "dead") return;
    const actor = new Actor(machine.name);
    machine.actor = actor;
    machine.starts++;
    const server = new Server(this.#ground(machine, actor));
    machine.server = server;
    this.options.equip?.(this, machine, server);
    this.trace.note(machine.name, "starts");
    server.start().then(
      () => {
        machine.isReady = true;
        this.trace.note(machine.name, "is ready");
      },
      (error: unknown) => {
        this.trace.note(machine.name, "cannot start", message(error));
        this.kill(machine);
        this.scheduler.after(2_000, null, () => this.start(machine));
      },
    );
  }

  /** The process ends at once, wherever it was. */
  kill(machine: Machine): void {
    if (machine.actor.state === "dead") return;
    machine.actor.kill();
    machine.server = null;
    machine.isReady = false;
    this.database.dropConnections(machine.actor);
    this.trace.note(machine.name, "is killed");
  }

  /** Machines on the same plate lose their power together. */
  losePower(machine: Machine): readonly Machine[] {
    const gone = this.machines.filter((other) => other.platter === machine.platter);
    for (const other of gone) this.kill(other);
    machine.platter.losePower(this.chance(`power ${this.scheduler.nowMs}`));
    this.trace.note(machine.name, "loses its power");
    return gone;
  }

  /** A server for looking at the end: in good order, and it remembers nothing. */
  observer(name: string): { readonly server: Server; readonly machine: Machine } {
    const machine = new Machine(name, this.options.storeKind === "folder" ? this.#folder : new Platter());
    machine.actor = new Actor(name);
    return { machine, server: new Server(this.#ground(machine, machine.actor)) };
  }

  get #folder(): Platter {
    return this.machines[0]?.platter ?? new Platter();
  }

  /** Seen by whoever reads files: the disk of a machine. */
  diskOf(machine: Machine): Disk {
    return this.#disk(machine, machine.actor);
  }

  clockOf(machine: Machine): SimulatedClock {
    return new SimulatedClock(this.scheduler, machine.actor, machine.wall);
  }

  #disk(machine: Machine, owner: Actor): Disk {
    const { scheduler, options } = this;
    const chance = this.chance(`disk ${machine.name} ${machine.starts}`);
    const disk = new SimulatedDisk({ platter: machine.platter, scheduler, owner, chance });
    return options.plant?.disk?.(disk) ?? disk;
  }

  #ground(machine: Machine, owner: Actor) {
    const { scheduler, options } = this;
    const own = (what: string) => this.chance(`${what} ${machine.name} ${machine.starts}`);
    const clock = new SimulatedClock(scheduler, owner, machine.wall);
    const random = streamOf(options.seed, `random ${machine.name} ${machine.starts}`);
    const disk = this.#disk(machine, owner);
    const storeLink = new Link({
      ...{ scheduler, owner, chance: own("store"), trouble: machine.storeLink, unknown: storeAway },
      ...{ isAway: () => this.bucketIsAway, mostMs: 30, latestMs: 20_000 },
    });
    const kept =
      options.storeKind === "folder"
        ? directoryStore({ root: "/objects", disk, random })
        : new RemoteStore({ bucket: this.bucket, link: storeLink, disk, cacheDirectory: "/cache" });
    const store = options.plant?.store?.(kept) ?? kept;
    const copier = rowCopier({ disk, clock, chance: own("copier") });
    const databaseLink = new Link({
      ...{ scheduler, owner, chance: own("database"), trouble: machine.databaseLink, unknown: connectionLost },
      ...{ isAway: () => this.database.isAway, mostMs: 5, latestMs: 1_000 },
    });
    const sql = connectSimulated({
      ...{ database: this.database, link: databaseLink, scheduler, owner, chance: own("connections") },
      ...{ connections: 5, breaks: () => machine.rates.connectionBreaks },
    });
    const losses = () => machine.rates.workerLosses;
    const converter = rowConverter({ disk, clock, chance: own("worker"), losses });
    return {
      ...{
        machine: machine.name,
        name: `${machine.name}.${machine.starts}`,
        clock,
        random,
        disk,
        sql,
        log: this.#log(machine, owner),
      },
      store,
      converter: options.plant?.converter?.(converter) ?? converter,
      copier: options.plant?.copier?.(copier, store) ?? copier,
      layout: options.isLongLived ? smallLayout : null,
      commitIntervalMs: 500,
      record: () => {},
    };
  }

  #log(machine: Machine, owner: Actor): Logger {
    const say =
      (level: string) =>
      (text: string, fields: LogFields = {}) => {
        if (owner.state === "dead") return;
        this.trace.note(machine.name, `${level}: ${text}`, "error" in fields ? message(fields.error) : "");
      };
    const log: Logger = {
      debug() {},
      info() {},
      warn: say("warns"),
      error: (text, fields) => {
        say("error")(text, fields);
        this.errors.push(text);
      },
      child: () => log,
    };
    return log;
  }
}

export function message(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return "code" in error ? `${String(error.code)}: ${error.message}` : error.message;
}
