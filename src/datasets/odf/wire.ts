import type { Instant } from "../../base/index.ts";
import { MillraceError } from "../../base/index.ts";
import type { TableReader } from "./table-reader.ts";
import type { TableField, TableWriter } from "./table-writer.ts";

/**
 * One declaration of a table serves both directions, and its order is the order on the wire: a table's variable-size
 * parts are written depth first in the schema's order, then its fields in the same order.
 */
export interface Wire<Value> {
  /** Slots of the table that it takes: a union takes two, its code and its table. */
  readonly slots: 1 | 2;
  /** What a required field means where it is absent; without one, absence is an error. */
  readonly fallback?: Value;
  /** Writes the variable-size part; the fields to put into the table. An optional field is written even if zero. */
  write(writer: TableWriter, slot: number, value: Value, optional: boolean): readonly TableField[];
  read(table: TableReader, slot: number): Value | null;
}

export interface Optional<Value> {
  readonly optional: Wire<Value>;
}

export function optional<Value>(wire: Wire<Value>): Optional<Value> {
  return { optional: wire };
}

/** The wires of a type's members, in the order of the schema. */
export type Members<Type> = {
  readonly [Name in keyof Type]-?: Record<never, never> extends Pick<Type, Name>
    ? Optional<Type[Name]>
    : Wire<Type[Name]>;
};

/** The body of a table. */
export interface Table<Type> {
  writeTable(writer: TableWriter, value: Type): number;
  readTable(table: TableReader): Type;
}

interface Slot {
  readonly name: string;
  readonly wire: Wire<unknown>;
  readonly optional: boolean;
  readonly at: number;
}

/** @param reserved slots in front that Millrace does not use */
export function table<Type extends object>(members: Members<Type>, reserved = 0): Table<Type> & Wire<Type> {
  const slots: Slot[] = [];
  let at = reserved;
  for (const [name, member] of Object.entries<Wire<unknown> | Optional<unknown>>(members)) {
    const isOptional = "optional" in member;
    const wire = isOptional ? member.optional : member;
    slots.push({ name, wire, optional: isOptional, at });
    at += wire.slots;
  }
  const count = at;
  return {
    slots: 1,
    writeTable(writer, value) {
      const given = new Map<string, unknown>(Object.entries(value));
      const fields = writer.nested(() =>
        slots.flatMap(({ name, wire, optional, at }) => {
          const member = given.get(name);
          return member === undefined ? [] : wire.write(writer, at, member, optional);
        }),
      );
      return writer.table(count, fields);
    },
    readTable(reader) {
      const found: Record<string, unknown> = {};
      for (const { name, wire, optional, at } of slots) {
        const member = wire.read(reader, at) ?? (optional ? null : (wire.fallback ?? null));
        if (member !== null) found[name] = member;
        else if (!optional) throw broken(`a table has no ${name}`);
      }
      // `members` has a wire for each member of the type, which the compiler has checked.
      return found as Type;
    },
    write(writer, slot, value) {
      return [{ slot, kind: "offset", offset: this.writeTable(writer, value) }];
    },
    read(reader, slot) {
      const inner = reader.table(slot);
      return inner === null ? null : this.readTable(inner);
    },
  };
}

type Kinds = { readonly kind: string };
type Variant<Union extends Kinds, Kind> = Union extends Kinds
  ? Kind extends Union["kind"]
    ? Table<Omit<Union, "kind">>
    : never
  : never;
/** A table for each kind, in the order of the schema: codes count from 1. */
export type Variants<Union extends Kinds> = { readonly [Kind in Union["kind"]]: Variant<Union, Kind> };

export function union<Union extends Kinds>(variants: () => Variants<Union>): Wire<Union> {
  let known: [string, Table<object>][] | undefined;
  const list = () => {
    known ??= Object.entries<Table<object>>(variants());
    return known;
  };
  return {
    slots: 2,
    write(writer, slot, { kind, ...value }) {
      const index = list().findIndex(([name]) => name === kind);
      const body = list()[index]?.[1];
      if (body === undefined) throw new TypeError(`no table for ${kind}`);
      const offset = body.writeTable(writer, value);
      return [
        { slot, kind: "int8", value: index + 1 },
        { slot: slot + 1, kind: "offset", offset },
      ];
    },
    read(reader, slot) {
      const code = reader.uint8(slot) ?? 0;
      const inner = reader.table(slot + 1);
      if (code === 0 || inner === null) return null;
      const [kind, body] = list()[code - 1] ?? [];
      if (kind === undefined || body === undefined)
        throw newer(`has something of a kind (${code}) that this one does not know`);
      // The pair is one of `variants`, which has a table for each kind.
      return { kind, ...body.readTable(inner) } as unknown as Union;
    },
  };
}

const offset = (slot: number, at: number): readonly TableField[] => [{ slot, kind: "offset", offset: at }];

export const text: Wire<string> = {
  slots: 1,
  write: (writer, slot, value) => offset(slot, writer.string(value)),
  read: (reader, slot) => reader.string(slot),
};

export const texts: Wire<readonly string[]> = {
  slots: 1,
  write: (writer, slot, value) => offset(slot, writer.offsets(value.map((item) => writer.string(item)))),
  read: (reader, slot) => reader.strings(slot),
};

/** Something that stands as bytes. `read` may throw on bytes that are none. */
export function bytes<Value>(
  toBytes: (value: Value) => Uint8Array,
  fromBytes: (bytes: Uint8Array) => Value,
): Wire<Value> {
  return {
    slots: 1,
    write: (writer, slot, value) => offset(slot, writer.bytes(toBytes(value))),
    read: (reader, slot) => {
      const found = reader.bytes(slot);
      return found === null ? null : fromBytes(found);
    },
  };
}

export function tables<Type>(item: Table<Type>): Wire<readonly Type[]> {
  return {
    slots: 1,
    write: (writer, slot, value) => offset(slot, writer.offsets(value.map((one) => item.writeTable(writer, one)))),
    read: (reader, slot) => reader.tables(slot)?.map((one) => item.readTable(one)) ?? null,
  };
}

/** A number that a required field leaves out where it is zero. */
function scalar(kind: "int32" | "int64", read: (reader: TableReader, slot: number) => number | null): Wire<number> {
  return {
    slots: 1,
    fallback: 0,
    write: (_, slot, value, optional) => (value === 0 && !optional ? [] : [{ slot, kind, value }]),
    read,
  };
}

export const int32 = scalar("int32", (reader, slot) => reader.int32(slot));
/** Whole numbers up to 2^53. */
export const uint64 = scalar("int64", (reader, slot) => reader.uint64(slot));

export const flag: Wire<boolean> = {
  slots: 1,
  fallback: false,
  write: (_, slot, value, optional) => (!value && !optional ? [] : [{ slot, kind: "int8", value: Number(value) }]),
  read: (reader, slot) => {
    const found = reader.uint8(slot);
    return found === null ? null : found !== 0;
  },
};

/** An enum whose codes count from 0. */
export function oneOf<const Name extends string>(
  kind: "int16" | "int32",
  names: readonly [Name, ...Name[]],
): Wire<Name> {
  return {
    slots: 1,
    fallback: names[0],
    write: (_, slot, value, optional) => {
      const code = names.indexOf(value);
      return code === 0 && !optional ? [] : [{ slot, kind, value: code }];
    },
    read: (reader, slot) => {
      const code = kind === "int16" ? reader.int16(slot) : reader.int32(slot);
      if (code === null) return null;
      const found = names[code];
      if (found === undefined) throw newer(`says ${code} where one of ${names.join(", ")} stands`);
      return found;
    },
  };
}

export const timestamp: Wire<Instant> = {
  slots: 1,
  write: (_, slot, value) => [{ slot, kind: "timestamp", epochMs: value }],
  read: (reader, slot) => reader.timestamp(slot),
};

export function broken(why: string): MillraceError {
  return new MillraceError("chain_broken", `The block cannot be read: ${why}.`);
}

export function newer(what: string): MillraceError {
  return new MillraceError("unsupported_version", `The block ${what}.`, {
    hint: "A newer Millrace or another node wrote it: run a later version.",
  });
}
