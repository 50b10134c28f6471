import { formatInstant, type Instant } from "../base/index.ts";
import type { Rooms } from "../gateway/index.ts";
import type { Identity, TokenView } from "../identity/index.ts";
import { type FormatSpec, formatName, type Preview } from "../ingest/index.ts";
import type { Queries, QueryState } from "../queries/index.ts";
import type { Task, TaskQueue } from "../tasks/index.ts";

// The rooms speak of instants, the API of ISO 8601.

type Doors = Rooms<FormatSpec>;
const text = (at: Instant | null) => (at === null ? null : formatInstant(at));

export function administrationDoor(identity: Identity): Doors["administration"] {
  const user = (one: { name: string; isOwner: boolean; createdAt: Instant }) => ({
    ...one,
    createdAt: formatInstant(one.createdAt),
  });
  const token = (one: TokenView) => ({
    ...one,
    createdAt: formatInstant(one.createdAt),
    expiresAt: text(one.expiresAt),
    lastUsedAt: text(one.lastUsedAt),
  });
  return {
    listUsers: async () => (await identity.listUsers()).map(user),
    createUser: async (input, by) => user(await identity.createUser(input, by)),
    deleteUser: (name, by) => identity.deleteUser(name, by),
    setPassword: (name, password, by, asking) => identity.setPassword(name, password, by, asking),
    listTokens: async (name) => (await identity.listTokens(name)).map(token),
    createToken: async (input, by) => {
      const created = await identity.createToken(input, by);
      return { ...token(created), token: created.token };
    },
    revokeToken: (id, by) => identity.revokeToken(id, by),
    openSession: async (principal) => {
      const { token, expiresAt } = await identity.openSession(principal);
      if (expiresAt === null) throw new Error("a session has no end");
      return { token, expiresAt };
    },
    closeSession: (id, by) => identity.closeSession(id, by),
    needsSetUp: () => identity.needsSetUp(),
    tokenOwner: (id) => identity.tokenOwner(id),
    listGrants: (project) => identity.listGrants(project),
    setRole: (input, by) => identity.setRole(input, by),
    grant: (input, by) => identity.grant(input, by),
    revoke: (input, by) => identity.revoke(input, by),
    listSecrets: (project) => identity.listSecrets(project),
    putSecret: (input, by) => identity.putSecret(input, by),
    deleteSecret: (input, by) => identity.deleteSecret(input, by),
  };
}

export function previewView({ format, encoding, columns, rows, problems }: Preview) {
  const { kind, ...options } = format;
  return {
    format: kind,
    options,
    formatName: formatName(format),
    encoding,
    columns: columns.map((column) => ({ ...column })),
    rows: rows.map((row) => ({ ...row })),
    problems: problems.map((problem) => ({ ...problem })),
  };
}

export function queryDoor(queries: Queries): Doors["queries"] {
  const view = (state: QueryState) => ({
    ...state,
    startedAt: formatInstant(state.startedAt),
    resultUntil: text(state.resultUntil),
  });
  return {
    run: (input, signal) => queries.run(input, signal),
    start: async (input) => view(queries.start(input)),
    result: async (id, principal) => {
      const found = await queries.result(id, principal);
      return found?.kind === "pending" ? { kind: "pending", state: view(found.state) } : found;
    },
    get: async (id, principal) => viewOrNull(await queries.get(id, principal), view),
    cancel: async (id, principal) => viewOrNull(await queries.cancel(id, principal), view),
    running: async (principal) => (await queries.running(principal)).map(view),
  };
}

export function taskView(task: Task) {
  return {
    ...task,
    createdAt: formatInstant(task.createdAt),
    startedAt: text(task.startedAt),
    endedAt: text(task.endedAt),
  };
}

export function taskDoor(queue: TaskQueue): Doors["tasks"] {
  return {
    list: async (filter) => (await queue.list(filter)).map(taskView),
    get: async (id) => viewOrNull(await queue.get(id), taskView),
    cancel: async (id) => taskView(await queue.cancel(id)),
  };
}

function viewOrNull<State, View>(state: State | null, view: (state: State) => View): View | null {
  return state === null ? null : view(state);
}
