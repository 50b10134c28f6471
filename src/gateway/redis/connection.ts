import type { Socket } from "node:net";
import { type Clock, type Logger, unreachable } from "../../base/index.ts";
import { again, type Command, type CommandContext, keyCommands } from "./commands.ts";
import type { RedisLimits, RedisOptions } from "./contract.ts";
import { ProtocolError, RequestParser } from "./parser.ts";
import { ReadableLookups } from "./readable.ts";
import { ReplyWriter } from "./reply.ts";
import { type Session, sessionCommands } from "./session.ts";

export interface ConnectionOptions extends Pick<RedisOptions, "access" | "lookups" | "version"> {
  readonly id: number;
  readonly socket: Socket;
  readonly limits: RedisLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** So many requests were answered. */
  readonly answered: (requests: number) => void;
}

/**
 *   reading ──bytes──▶ answering request by request ──none whole is left──▶ flush, reading
 *                        │ one asks who may read ──▶ waiting ──▶ the same request again
 *                        │ answers wait for the client ──▶ waiting ──drained──▶ answering
 *                        └ no request, QUIT ──▶ answer, end
 * While it waits nothing is read of its socket, so that a client that asks and does not take is slowed by its own socket.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #request = new RequestParser();
  readonly #reply = new ReplyWriter();
  readonly #lookups: ReadableLookups;
  readonly #context: CommandContext;
  readonly #session: Session;
  #state: "reading" | "waiting" | "ended" = "reading";
  #forgetTimer: () => void;

  constructor(options: ConnectionOptions) {
    const { socket, limits, clock } = options;
    this.#options = options;
    this.#lookups = new ReadableLookups(options);
    this.#context = { request: this.#request, reply: this.#reply, lookups: this.#lookups, limits };
    const { id, access, version } = options;
    this.#session = { id, access, version, address: socket.remoteAddress ?? "", name: "", ends: false };
    this.#forgetTimer = clock.timer(limits.authenticateMs, () => {
      if (this.#lookups.principal === null) this.#end("ERR nobody has said who they are in time");
    });
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", () => socket.destroy());
    socket.on("end", () => this.#end(null));
    socket.on("close", () => {
      this.#state = "ended";
      this.#forgetTimer();
    });
  }

  /** The server stops: what was asked has been answered, nothing more is. */
  stop(): void {
    this.#end(null);
  }

  #take(chunk: Buffer): void {
    if (this.#state !== "reading") {
      this.#options.socket.destroy(); // paused sockets give nothing
      return;
    }
    this.#lookups.nextTurn();
    try {
      this.#request.take(chunk);
    } catch (error) {
      this.#failed(error);
      return;
    }
    this.#answer();
  }

  /** Answers whole requests until none is left, or something is to be waited for. */
  #answer(): void {
    let answered = 0;
    try {
      while (this.#state === "reading" && this.#request.next()) {
        const waits = this.#run();
        answered++;
        if (waits !== undefined) this.#wait(waits.then((outcome) => outcome === again));
        else if (this.#session.ends) this.#end(null);
        else if (this.#reply.waiting > this.#options.limits.waitingBytes && !this.#flush()) this.#waitForClient();
      }
    } catch (error) {
      this.#failed(error);
    }
    this.#flush();
    if (answered > 0) this.#options.answered(answered);
  }

  /** Runs the request that the parser stands at. */
  #run(): ReturnType<Command> {
    const request = this.#request;
    const name = commandName(request);
    const reply = this.#reply;
    const session = sessionCommands[name];
    const definition = session ?? keyCommands[name];
    if (this.#lookups.principal === null && session?.open !== true) {
      reply.error("NOAUTH Authentication required: AUTH TOKEN");
      return undefined;
    }
    if (definition === undefined) {
      reply.error(
        `ERR unknown command '${name.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 100)}': lookups are only read`,
      );
      return undefined;
    }
    if (request.count < definition.least || request.count > (definition.most ?? Number.POSITIVE_INFINITY)) {
      reply.error(`ERR wrong number of arguments for '${name.toLowerCase()}' command`);
      return undefined;
    }
    if (session !== undefined) return session.run(this.#context, this.#session);
    return keyCommands[name]?.run(this.#context);
  }

  #wait(work: Promise<boolean>): void {
    this.#pause();
    work.then(
      (isAgain) => {
        if (this.#state !== "waiting") return;
        this.#state = "reading";
        const waits = isAgain ? this.#run() : undefined;
        if (waits !== undefined) return this.#wait(waits.then((outcome) => outcome === again));
        if (this.#session.ends) return this.#end(null);
        this.#resume();
      },
      (error: unknown) => this.#failed(error),
    );
  }

  /** Nothing more is looked at before the client has taken what waits. */
  #waitForClient(): void {
    const { socket, clock, limits } = this.#options;
    this.#pause();
    const forget = clock.timer(limits.stallMs, () => socket.destroy());
    socket.once("close", forget);
    socket.once("drain", () => {
      forget();
      socket.off("close", forget);
      if (this.#state !== "waiting") return;
      this.#state = "reading";
      this.#resume();
    });
  }

  #pause(): void {
    this.#state = "waiting";
    this.#options.socket.pause();
  }

  #resume(): void {
    this.#lookups.nextTurn();
    this.#answer();
    if (this.#state === "reading") this.#options.socket.resume();
  }

  /** @returns whether the client has room for more */
  #flush(): boolean {
    const { socket } = this.#options;
    if (socket.destroyed || socket.writableEnded) return true;
    let hasRoom = true;
    this.#reply.flush((bytes, sent) => {
      hasRoom = socket.write(bytes, sent);
    });
    return hasRoom || socket.writableLength < this.#options.limits.waitingBytes;
  }

  #failed(error: unknown): void {
    const isTheirs = error instanceof ProtocolError;
    if (!isTheirs) this.#options.log.error("a request of the Redis protocol failed by our fault", { error });
    this.#end(isTheirs ? `ERR Protocol error: ${error.message}` : "ERR an error of the server");
  }

  #end(problem: string | null): void {
    const { socket } = this.#options;
    switch (this.#state) {
      case "ended":
        return;
      case "reading":
      case "waiting":
        this.#state = "ended";
        if (problem !== null) this.#reply.error(problem);
        this.#flush();
        socket.end();
        // A client that does not end its side, or takes nothing, is not waited for.
        this.#options.clock.timer(1_000, () => socket.destroy());
        return;
      default:
        unreachable(this.#state);
    }
  }
}

const upperCased = new Map<number, string>([
  [0x474554, "GET"],
  [0x4d474554, "MGET"],
  [0x48474554, "HGET"],
]);

/** In upper case. The commands that come most are told by their bytes, without making a string. */
function commandName(request: RequestParser): string {
  const [start, end] = [request.start(0), request.end(0)];
  if (end - start <= 4) {
    let packed = 0;
    for (let at = start; at < end; at++) packed = packed * 256 + ((request.bytes[at] as number) & 0xdf);
    const known = upperCased.get(packed);
    if (known !== undefined) return known;
  }
  return request.bytes.toString("latin1", start, Math.min(end, start + 100)).toUpperCase();
}
