import type { DatasetId, Instant, TaskId, UserName } from "../../src/base/index.ts";
import { formatDatasetPath, instant, MillraceError, organizationName, userName } from "../../src/base/index.ts";
import type {
  DatasetRef,
  EventRecord,
  IngestView,
  Principal,
  PushInput,
  QueryInput,
  QueryOutput,
  ResourceState,
  Rooms,
  TaskView,
} from "../../src/gateway/index.ts";

export interface FakeRooms {
  readonly rooms: Rooms<string>;
  readonly events: EventRecord[];
  readonly pushed: { input: PushInput<string>; bytes: number }[];
  /** Replace to change what a query or a push does. */
  query: (input: QueryInput, signal: AbortSignal) => Promise<QueryOutput>;
  push: (input: PushInput<string>, signal: AbortSignal) => Promise<IngestView>;
  authenticated: number;
}

const principal = (name: string, isOwner: boolean): Principal => ({
  organization: organizationName("default"),
  user: userName(name),
  tokenId: "t1",
  scopes: isOwner ? ["admin"] : ["read", "write"],
  isOwner,
});
const epoch: Instant = instant(0);

export const receiptOf = (input: PushInput<string>, rows: number): IngestView => ({
  id: "i1",
  dataset: formatDatasetPath(input.dataset.path),
  state: input.ack,
  rows,
  quarantined: 0,
  firstOffset: null,
  lastOffset: null,
  block: null,
  seq: null,
  duplicate: false,
});

export function inlineResult(text: string): QueryOutput {
  return {
    // Any text serves as an id here.
    queryId: "q1" as QueryOutput["queryId"],
    format: "json",
    rows: 1,
    truncated: false,
    body: { kind: "inline", bytes: Buffer.from(text) },
    [Symbol.asyncDispose]: async () => {},
  };
}

/**
 * The rooms behind the gateway in memory, as small as they can be while keeping what the routes rely on: owner may all,
 * the user `guest` nothing but to see the project `web`.
 */
export function fakeRooms(): FakeRooms {
  const resources = new Map<string, ResourceState>();
  const key = (ref: { kind: string; project?: string | null | undefined; name: string }) =>
    `${ref.kind}/${ref.project ?? ""}/${ref.name}`;
  const datasetRef = (path: DatasetRef["path"]): DatasetRef => ({
    id: `did:odf:${formatDatasetPath(path)}` as DatasetId, // stands for a key
    path,
  });
  const find = async (path: DatasetRef["path"]) =>
    resources.has(key({ kind: "Dataset", project: path.project, name: path.dataset })) ? datasetRef(path) : null;
  const wakers = new Set<() => void>();
  const events: EventRecord[] = [];
  const pushEvent = events.push.bind(events);
  events.push = (...added) => {
    const length = pushEvent(...added);
    for (const wake of wakers) wake();
    return length;
  };
  const task: TaskView = {
    id: "task1",
    kind: "verify",
    project: "web",
    state: "running",
    priority: 0,
    attempts: 1,
    maxAttempts: 3,
    progress: null,
    error: null,
    createdAt: "2030-01-01T00:00:00.000Z",
    startedAt: null,
    endedAt: null,
  };
  const allows = async (who: Principal, action: string, target: { project?: string }) =>
    who.isOwner || (action === "project.view" && target.project === "web");
  const notHere = async (): Promise<never> => {
    throw new MillraceError("not_found", "There is none.");
  };

  const fake: FakeRooms = {
    events,
    pushed: [],
    authenticated: 0,
    query: async () => inlineResult('{"columns":[],"rows":[]}'),
    async push(input) {
      let bytes = 0;
      for await (const chunk of input.body) bytes += chunk.byteLength;
      fake.pushed.push({ input, bytes });
      return receiptOf(input, 1);
    },
    rooms: {
      program: { version: "0.0.0", command: "millrace" },
      ownerTokenFile: "/data/owner.token",
      access: {
        async authenticate(credentials) {
          fake.authenticated++;
          const known =
            credentials.kind === "token" ? credentials.token : `${credentials.user}:${credentials.password}`;
          if (known === "mlr_owner" || known === "owner:correct horse") return principal("owner", true);
          if (known === "mlr_guest") return principal("guest", false);
          throw new MillraceError("unauthenticated", "The token or password is not right.");
        },
        async authorize(who, action, target) {
          if (!(await allows(who, action, target))) throw new MillraceError("forbidden", `You may not ${action}.`);
        },
        allows,
        reaches: async (who, scopes) => scopes.every((scope) => who.scopes.includes(scope)),
      },
      administration: {
        listUsers: async () => [],
        createUser: async ({ name }) => ({ name, isOwner: false, createdAt: "2030-01-01T00:00:00.000Z" }),
        deleteUser: notHere,
        setPassword: async () => {},
        listTokens: async () => [],
        createToken: async ({ user, label, scopes }) => ({
          id: "t2",
          user,
          label,
          scopes: [...scopes],
          createdAt: "2030-01-01T00:00:00.000Z",
          expiresAt: null,
          lastUsedAt: null,
          token: "mlr_new",
        }),
        revokeToken: async () => {},
        openSession: async () => ({ token: "mlr_owner", expiresAt: instant(Date.now() + 60_000) }),
        closeSession: async () => {},
        needsSetUp: async () => true,
        tokenOwner: async (id) => (id === "t2" ? ("guest" as UserName) : null),
        listGrants: async () => [{ kind: "role", user: "guest", role: "viewer" }],
        setRole: async () => {},
        grant: async () => {},
        revoke: async () => {},
        listSecrets: async () => [{ name: "s3", updatedAt: epoch }],
        putSecret: async () => {},
        deleteSecret: async () => {},
      },
      resources: {
        parse(text) {
          try {
            return [JSON.parse(text)].flat();
          } catch {
            throw new MillraceError("bad_manifest", "Not a manifest.", { position: { offset: 0, line: 1, column: 1 } });
          }
        },
        async apply(input, { by, expectedGeneration }) {
          const before = resources.get(key(input));
          if (expectedGeneration !== undefined && expectedGeneration !== (before?.generation ?? 0)) {
            throw new MillraceError("precondition_failed", "Someone changed it before you.");
          }
          const resource: ResourceState = {
            kind: input.kind,
            project: input.project ?? null,
            name: input.name,
            id: key(input),
            generation: (before?.generation ?? 0) + 1,
            labels: input.labels ?? {},
            spec: input.spec,
            status: {},
            createdAt: epoch,
            updatedAt: epoch,
            updatedBy: by,
          };
          resources.set(key(input), resource);
          return { outcome: before === undefined ? "created" : "updated", resource };
        },
        async rehearse(inputs, options) {
          const before = new Map(resources);
          const applied = [];
          for (const input of inputs) applied.push(await fake.rooms.resources.apply(input, options));
          resources.clear();
          for (const [name, resource] of before) resources.set(name, resource);
          return applied;
        },
        lookupDataset: () => null,
        diff: async (input) => [{ path: "spec", before: resources.get(key(input))?.spec ?? null, after: input.spec }],
        get: async (ref) => resources.get(key(ref)) ?? null,
        list: async (kind, { project, labels, after, limit }) =>
          [...resources.values()]
            .filter((one) => one.kind === kind && one.project === project && one.name > (after ?? ""))
            .filter((one) => Object.entries(labels).every(([name, value]) => one.labels[name] === value))
            .sort((a, b) => (a.name < b.name ? -1 : 1))
            .slice(0, limit),
        async delete(ref) {
          if (!resources.delete(key(ref))) throw new MillraceError("not_found", "There is none.");
        },
      },
      datasets: {
        find,
        transform: () => null,
        progress: async () => null,
        columns: async () => null,
        readers: () => [],
        list: async () => [],
        head: async () => ({
          seq: 3,
          block: "f1620aa",
          nextOffset: 10,
          schema: { fields: [{ name: "offset", type: "uint64" }] },
          watermark: null,
          rows: 10,
          bytes: 1_000,
          slices: 1,
          lastCommitAt: epoch,
        }),
        slices: async () => [
          { hash: "f1620bb", firstOffset: 0, lastOffset: 9, sizeBytes: 1_000, seq: 3, systemTime: epoch },
        ],
        blocks: async (_id, { before, limit }) =>
          [3, 2, 1, 0]
            .filter((seq) => before === null || seq < before)
            .slice(0, limit)
            .map((seq) => ({ seq, hash: `f1620${seq}`, block: {} })),
        transferObject: async () => null,
        transferRegion: async () => null,
        transferCopy: async () => null,
        quarantine: async () => [],
        async verify(_id, { progress }) {
          progress(1, 2);
          await Promise.resolve();
          progress(2, 2);
          return { ok: true, blocks: 4, slices: 1, superseded: 0, expired: 0, rows: 10, broken: null, rebuilt: null };
        },
        maintain: async ({ path }, work) => ({ ...task, kind: `dataset.${work}`, project: path.project }),
      },
      replicas: {
        begin: notHere,
        origin: async () => null,
        walk: notHere,
        putBlocks: notHere,
        putObject: notHere,
        offerRegion: notHere,
        putCopy: notHere,
        expire: notHere,
        advance: notHere,
        clear: notHere,
      },
      ingest: {
        parseFormat: (name) => name,
        preview: notHere,
        retryQuarantine: notHere,
        push: (input, signal) => fake.push(input, signal),
        receipt: async () => null,
        flush: async () => {},
        incomingDirectory: () => "/nowhere",
      },
      queries: {
        run: async (input, signal) => ({ ...(await fake.query(input, signal)), format: input.format }),
        start: notHere,
        result: async () => null,
        get: async () => null,
        cancel: async () => null,
        running: async () => [],
      },
      lookups: { find: () => null, list: () => [] },
      tasks: {
        list: async () => [task, { ...task, id: "task2", project: null }],
        get: async (id: TaskId) => (id === "task1" ? task : null),
        cancel: async () => ({ ...task, state: "cancelled" }),
      },
      events: {
        newest: async () => events.at(-1)?.position ?? 0,
        read: async ({ after, limit }) => events.filter(({ position }) => position > after).slice(0, limit),
        readBack: async ({ before, limit }) =>
          events
            .filter(({ position }) => position < before)
            .toReversed()
            .slice(0, limit),
        async *tail({ after, signal }) {
          let position = after ?? events.at(-1)?.position ?? 0;
          while (!signal.aborted) {
            for (const event of events.filter((one) => one.position > position)) {
              position = event.position;
              yield event;
            }
            await new Promise<void>((resolve) => {
              wakers.add(resolve);
              signal.addEventListener("abort", () => resolve(), { once: true });
              if (signal.aborted) resolve();
            });
          }
        },
      },
      activity: {
        history: () => ({ from: epoch, stepMs: 30_000, flows: [] }),
        storage: async () => [],
      },
      metrics: { contentType: "text/plain; version=0.0.4", expose: async () => "up 1\n" },
      config: () => [
        { name: "http.port", value: 8080, origin: { kind: "default" }, description: "The port.", secret: false },
        {
          name: "postgres",
          value: "postgres://u:hunter2@h/d",
          origin: { kind: "default" },
          description: "P.",
          secret: true,
        },
      ],
      readiness: async () => ({ postgres: true }),
    },
  };
  return fake;
}
