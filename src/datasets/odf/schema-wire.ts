import {
  type DataField,
  type DataSchema,
  type DataType,
  type Extra,
  type TimeUnit,
  timeUnits,
} from "../../slices/index.ts";
import {
  broken,
  flag,
  int32,
  oneOf,
  optional,
  type Table,
  table,
  tables,
  text,
  uint64,
  union,
  type Wire,
} from "./wire.ts";

const entries = table<{ entries: string }>({ entries: text });

/** table ExtraAttributes {entries: string}, which holds JSON. */
export const extraAttributes: Wire<Extra> = {
  slots: 1,
  write: (writer, slot, value, optional) => entries.write(writer, slot, { entries: JSON.stringify(value) }, optional),
  read: (reader, slot) => {
    const found = entries.read(reader, slot);
    if (found === null) return null;
    const parsed: unknown = JSON.parse(found.entries);
    if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
      throw broken("its extra attributes are no object");
    if (!isShallow(parsed, maxExtraDepth)) throw broken("its extra attributes nest too deep");
    return { ...parsed };
  },
};

/** Deeper values could not be written as JSON again. */
const maxExtraDepth = 100;
function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((item) => isShallow(item, depth - 1));
}

const unit = optional(oneOf<TimeUnit>("int16", timeUnits));
const empty = table<Record<never, never>>({});
const withUnit = table<{ readonly unit?: TimeUnit }>({ unit });

/** The union DataType of the specification, in its order. */
const dataType: Wire<DataType> = union<DataType>(() => ({
  Binary: table<{ readonly fixedLength?: number }>({ fixedLength: optional(uint64) }),
  Bool: empty,
  Date: empty,
  Decimal: table<{ readonly precision: number; readonly scale: number }>({ precision: int32, scale: int32 }),
  Duration: withUnit,
  Float16: empty,
  Float32: empty,
  Float64: empty,
  Int8: empty,
  Int16: empty,
  Int32: empty,
  Int64: empty,
  UInt8: empty,
  UInt16: empty,
  UInt32: empty,
  UInt64: empty,
  List: table<{ readonly itemType: DataType; readonly fixedLength?: number }>({
    itemType: dataType,
    fixedLength: optional(uint64),
  }),
  Map: table<{ readonly keyType: DataType; readonly valueType: DataType; readonly keysSorted?: boolean }>({
    keyType: dataType,
    valueType: dataType,
    keysSorted: optional(flag),
  }),
  Null: empty,
  Option: table<{ readonly inner: DataType }>({ inner: dataType }),
  Struct: table<{ readonly fields: readonly DataField[] }>({ fields: tables(dataField) }),
  Time: withUnit,
  Timestamp: table<{ readonly unit?: TimeUnit; readonly timezone?: string }>({ unit, timezone: optional(text) }),
  String: empty,
}));

const dataField: Table<DataField> = table<DataField>({
  name: text,
  type: dataType,
  extra: optional(extraAttributes),
});

export const dataSchema = table<DataSchema>({ fields: tables(dataField), extra: optional(extraAttributes) });
