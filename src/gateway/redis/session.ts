import { asMillraceError } from "../../base/index.ts";
import type { Again, CommandContext, CommandDefinition } from "./commands.ts";
import type { RedisAccess } from "./contract.ts";

/** What the commands about the connection itself work with. */
export interface Session {
  readonly id: number;
  readonly access: RedisAccess;
  readonly address: string;
  readonly version: string;
  name: string;
  /** The answer to this request is the last one. */
  ends: boolean;
}

type SessionCommand = (context: CommandContext, session: Session) => ReturnType<CommandDefinition["run"]>;

export interface SessionDefinition {
  readonly run: SessionCommand;
  readonly least: number;
  readonly most: number | null;
  /** Answered before anybody has said who they are. */
  readonly open?: true;
}

export const sessionCommands: Readonly<Record<string, SessionDefinition>> = {
  PING: {
    least: 1,
    most: 2,
    run({ request, reply }) {
      if (request.count === 1) reply.simple("PONG");
      else reply.bytes(request.bytes, request.start(1), request.end(1));
      return undefined;
    },
  },
  ECHO: {
    least: 2,
    most: 2,
    run({ request, reply }) {
      reply.bytes(request.bytes, request.start(1), request.end(1));
      return undefined;
    },
  },
  QUIT: {
    least: 1,
    most: 1,
    open: true,
    run({ reply }, session) {
      reply.simple("OK");
      session.ends = true;
      return undefined;
    },
  },
  SELECT: {
    least: 2,
    most: 2,
    run({ request, reply }) {
      if (request.text(1) === "0") reply.simple("OK");
      else reply.error("ERR DB index is out of range: lookups are named in keys, PROJECT.LOOKUP:KEY");
      return undefined;
    },
  },
  AUTH: {
    least: 2,
    most: 3,
    open: true,
    async run(context, session) {
      const { request, reply } = context;
      const [first, second] = [request.text(1), request.count === 3 ? request.text(2) : null];
      if (await signIn(context, session, second === null ? null : first, second ?? first)) reply.simple("OK");
      return undefined;
    },
  },
  HELLO: { least: 1, most: 8, open: true, run: hello },
  CLIENT: { least: 2, most: 8, run: client },
  COMMAND: {
    least: 1,
    most: null,
    run({ request, reply }) {
      // What clients ask to help their people type: there is nothing that they would need to know.
      if (request.count > 1 && request.text(1).toUpperCase() === "DOCS") reply.map(0);
      else if (request.count > 1 && request.text(1).toUpperCase() === "COUNT") reply.integer(0);
      else reply.array(0);
      return undefined;
    },
  },
  CONFIG: {
    least: 3,
    most: null,
    run({ request, reply }) {
      if (request.text(1).toUpperCase() === "GET") reply.map(0);
      else reply.error("ERR the configuration is not changed here");
      return undefined;
    },
  },
  INFO: {
    least: 1,
    most: null,
    run({ reply }, { version }) {
      // Clients take the version for that of the protocol's commands.
      const lines = ["# Server", "redis_version:7.0.0", `millrace_version:${version}`, "redis_mode:standalone"];
      reply.text(`${[...lines, "# Persistence", "loading:0", "# Replication", "role:master"].join("\r\n")}\r\n`);
      return undefined;
    },
  },
};

/** HELLO [2|3] [AUTH user password] [SETNAME name] */
async function hello(context: CommandContext, session: Session): Promise<Again | undefined> {
  const { request, reply, lookups } = context;
  const protocol = request.count === 1 ? String(reply.protocol) : request.text(1);
  if (protocol !== "2" && protocol !== "3") return void reply.error("NOPROTO unsupported protocol version");
  let name: string | null = null;
  let credentials: { user: string; password: string } | null = null;
  for (let at = 2; at < request.count; ) {
    const option = request.text(at).toUpperCase();
    if (option === "AUTH" && at + 2 < request.count) {
      credentials = { user: request.text(at + 1), password: request.text(at + 2) };
      at += 3;
    } else if (option === "SETNAME" && at + 1 < request.count) {
      name = request.text(at + 1).slice(0, 100);
      at += 2;
    } else return void reply.error("ERR syntax error in HELLO");
  }
  if (credentials !== null && !(await signIn(context, session, credentials.user, credentials.password)))
    return undefined;
  if (lookups.principal === null)
    return void reply.error("NOAUTH HELLO must be called with AUTH, or after it: the password is a token");
  session.name = name ?? session.name;
  reply.protocol = protocol === "3" ? 3 : 2;
  reply.map(7);
  for (const [member, value] of [
    ["server", "redis"],
    ["version", "7.0.0"],
    ["proto", reply.protocol],
    ["id", session.id],
    ["mode", "standalone"],
    ["role", "master"],
  ] as const) {
    reply.text(member);
    if (typeof value === "number") reply.integer(value);
    else reply.text(value);
  }
  reply.text("modules");
  reply.array(0);
  return undefined;
}

function client({ request, reply }: CommandContext, session: Session): undefined {
  switch (request.text(1).toUpperCase()) {
    case "SETNAME":
      if (request.count !== 3) break;
      session.name = request.text(2).slice(0, 100);
      return void reply.simple("OK");
    case "GETNAME":
      return void reply.text(session.name);
    case "ID":
      return void reply.integer(session.id);
    case "SETINFO":
      return void reply.simple("OK");
  }
  return void reply.error("ERR of CLIENT there are SETNAME, GETNAME, ID and SETINFO");
}

/** A token stands alone, or is the password of its user or of `default`, the name that clients send who have none. */
async function signIn(
  { reply, lookups }: CommandContext,
  { access, address }: Session,
  user: string | null,
  password: string,
): Promise<boolean> {
  const isToken = user === null || user === "default" || user === "";
  try {
    lookups.principal = await access.authenticate(
      isToken ? { kind: "token", token: password } : { kind: "password", user, password, address },
    );
    return true;
  } catch (thrown) {
    const error = asMillraceError(thrown);
    if (error.code === "unauthenticated") reply.error("WRONGPASS the token or password is not right");
    else reply.error(`ERR ${error.code === "internal" ? "an error of the server" : error.message}`);
    return false;
  }
}
