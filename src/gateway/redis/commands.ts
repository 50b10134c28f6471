import type { LookupRows } from "../http/index.ts";
import type { RedisLimits } from "./contract.ts";
import { literalPrefix, matches } from "./glob.ts";
import { plainValue, textOf, visitMembers } from "./members.ts";
import type { RequestParser } from "./parser.ts";
import type { ReadableLookups } from "./readable.ts";
import type { ReplyWriter } from "./reply.ts";

/** What a command works with. */
export interface CommandContext {
  readonly request: RequestParser;
  readonly reply: ReplyWriter;
  readonly lookups: ReadableLookups;
  readonly limits: RedisLimits;
}

/**
 * Answers a request. Where it has to ask who may read something it answers nothing and returns a promise, behind which the same
 * request is run again.
 */
export type Command = (context: CommandContext) => Promise<Again | undefined> | undefined;
/** The request is to be run again. */
export const again = Symbol("again");
export type Again = typeof again;

export interface CommandDefinition {
  readonly run: Command;
  /** Arguments, the command's name included; null: no upper limit. */
  readonly least: number;
  readonly most: number | null;
}

const mostScanned = 10_000;
/** Places of a table that one SCAN looks at for each entry that it was asked for. */
const placesAnEntry = 4;

/** A key's row: its lookup, and its address there (0: none). */
interface Found {
  readonly rows: LookupRows;
  readonly address: number;
}

export const keyCommands: Readonly<Record<string, CommandDefinition>> = {
  GET: {
    least: 2,
    most: 2,
    run: (context) =>
      withKey(context, 1, ({ rows, address }) => {
        if (address === 0) context.reply.nil();
        else context.reply.row(rows, address);
      }),
  },
  MGET: { least: 2, most: null, run: getMany },
  EXISTS: {
    least: 2,
    most: null,
    run: (context) =>
      withKeys(context, 1, (found) => context.reply.integer(found.filter(({ address }) => address !== 0).length)),
  },
  TYPE: {
    least: 2,
    most: 2,
    run: (context) => withKey(context, 1, ({ address }) => context.reply.simple(address === 0 ? "none" : "hash")),
  },
  HGET: {
    least: 3,
    most: 3,
    run: (context) => withKey(context, 1, (found) => values(context, found, 2, 3)),
  },
  HMGET: {
    least: 3,
    most: null,
    run: (context) =>
      withKey(context, 1, (found) => {
        context.reply.array(context.request.count - 2);
        values(context, found, 2, context.request.count);
      }),
  },
  HGETALL: { least: 2, most: 2, run: (context) => withKey(context, 1, (found) => allMembers(context, found)) },
  SCAN: { least: 2, most: null, run: scan },
  DBSIZE: {
    least: 1,
    most: 1,
    async run({ lookups, reply }) {
      let entries = 0;
      for await (const { rows } of lookups.all()) entries += rows.entries;
      reply.integer(entries);
      return undefined;
    },
  },
};

function withKey(context: CommandContext, index: number, then: (found: Found) => void): Promise<Again> | undefined {
  return keys(context, index, index + 1, ([found]) => found !== undefined && then(found));
}

function withKeys(context: CommandContext, from: number, then: (found: Found[]) => void): Promise<Again> | undefined {
  return keys(context, from, context.request.count, then);
}

function keys(
  { request, reply, lookups }: CommandContext,
  from: number,
  to: number,
  then: (found: Found[]) => unknown,
): Promise<Again> | undefined {
  const found: Found[] = [];
  for (let index = from; index < to; index++) {
    const [start, end] = [request.start(index), request.end(index)];
    const nameEnd = lookups.nameEnd(request.bytes, start, end);
    if (nameEnd < 0) {
      reply.error("ERR a key is PROJECT.LOOKUP:KEY");
      return undefined;
    }
    const readable = lookups.of(request.bytes, start, nameEnd);
    if (readable === null) return lookups.ask(request.bytes, start, nameEnd).then(() => again);
    if ("error" in readable) {
      reply.error(readable.error);
      return undefined;
    }
    const { rows } = readable;
    found.push({ rows, address: rows.find(request.bytes, nameEnd + 1, end) });
  }
  then(found);
  return undefined;
}

function getMany(context: CommandContext): Promise<Again> | undefined {
  const { reply, limits } = context;
  return withKeys(context, 1, (found) => {
    let bytes = 0;
    for (const { rows, address } of found) bytes += address === 0 ? 0 : rows.rowBytes(address);
    if (bytes > limits.replyBytes) return reply.error("ERR the rows are longer than one answer can be: ask for fewer");
    reply.array(found.length);
    for (const { rows, address } of found) {
      if (address === 0) reply.nil();
      else reply.row(rows, address);
    }
  });
}

/** The values of the members that the arguments from `from` to `to` name. */
function values({ request, reply }: CommandContext, { rows, address }: Found, from: number, to: number): void {
  const row = address === 0 ? null : rows.row(address);
  const names = Array.from({ length: to - from }, (_, at) =>
    request.bytes.subarray(request.start(from + at), request.end(from + at)),
  );
  const found = new Array<Uint8Array | null>(names.length).fill(null);
  if (row !== null) {
    visitMembers(row, (member) => {
      const name = Buffer.from(textOf(row, member.nameStart, member.nameEnd));
      for (const [at, wanted] of names.entries()) if (name.equals(wanted)) found[at] = plainValue(row, member);
    });
  }
  for (const value of found) {
    if (value === null) reply.nil();
    else reply.bytes(value, 0, value.length);
  }
}

/** Members without a value are left out: a hash has none such. */
function allMembers({ reply }: CommandContext, { rows, address }: Found): void {
  const pairs: [Uint8Array, Uint8Array][] = [];
  if (address !== 0) {
    const row = rows.row(address);
    visitMembers(row, (member) => {
      const value = plainValue(row, member);
      if (value !== null) pairs.push([textOf(row, member.nameStart, member.nameEnd), value]);
    });
  }
  reply.map(pairs.length);
  for (const [name, value] of pairs) {
    reply.bytes(name, 0, name.length);
    reply.bytes(value, 0, value.length);
  }
}

/**
 * SCAN cursor [MATCH pattern] [COUNT n]: over all lookups that may be read, one after the other, in the order in which this
 * process has begun to hold them. A cursor is the lookup's ordinal and the position in it: ordinal × 2^32 + position.
 */
async function scan({ request, reply, lookups, limits }: CommandContext): Promise<undefined> {
  const asked = scanOptions(request);
  if (typeof asked === "string") return void reply.error(asked);
  const { pattern, count } = asked;
  const prefix = literalPrefix(pattern);
  const [from, position] = [Math.floor(asked.cursor / 2 ** 32), asked.cursor % 2 ** 32];
  const keys: Buffer[] = [];
  let [bytes, next] = [0, 0];
  let left = count * placesAnEntry;
  for await (const { ordinal, path, rows } of lookups.all(from)) {
    const name = Buffer.from(`${path}:`);
    const shorter = Math.min(name.length, prefix.length);
    if (!name.subarray(0, shorter).equals(prefix.subarray(0, shorter))) continue;
    let at: number | null = ordinal === from ? position : 0;
    if (left <= 0) {
      next = ordinal * 2 ** 32 + at;
      break;
    }
    for (; left > 0 && at !== null && bytes < limits.replyBytes / 2; left--) {
      at = rows.visit(at, 1, (key) => {
        const whole = Buffer.concat([name, key]);
        if (!matches(pattern, whole)) return;
        keys.push(whole);
        bytes += whole.length;
      });
      if (keys.length >= count) left = 0;
    }
    if (at === null) continue;
    next = ordinal * 2 ** 32 + at;
    break;
  }
  reply.array(2);
  reply.text(String(next));
  reply.array(keys.length);
  for (const key of keys) reply.bytes(key, 0, key.length);
}

function scanOptions(request: RequestParser): { cursor: number; pattern: Uint8Array; count: number } | string {
  const cursor = Number(request.text(1));
  if (!/^\d{1,16}$/.test(request.text(1)) || !Number.isSafeInteger(cursor)) return "ERR invalid cursor";
  let pattern: Uint8Array = Buffer.from("*");
  let count = 10;
  for (let at = 2; at < request.count; at += 2) {
    const option = request.text(at).toUpperCase();
    if (at + 1 >= request.count) return "ERR syntax error";
    if (option === "MATCH") pattern = Buffer.from(request.bytes.subarray(request.start(at + 1), request.end(at + 1)));
    else if (option === "COUNT") {
      if (!/^[1-9]\d{0,9}$/.test(request.text(at + 1))) return "ERR value is not an integer or out of range";
      count = Math.min(mostScanned, Number(request.text(at + 1)));
    } else return "ERR syntax error";
  }
  if (pattern.length > 1_000) return "ERR the pattern is too long";
  return { cursor, pattern, count };
}
