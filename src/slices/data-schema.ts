import { z } from "zod";

export const timeUnits = ["Second", "Millisecond", "Microsecond", "Nanosecond"] as const;
export type TimeUnit = (typeof timeUnits)[number];

/** Attributes of extensions: keys are `domain/name`, values any JSON (ODF RFC 016). */
export type Extra = Readonly<Record<string, unknown>>;

/** A logical type of Open Data Fabric (RFC 016), as its JSON writes it. */
export type DataType =
  | { readonly kind: "Binary"; readonly fixedLength?: number }
  | { readonly kind: "Bool" | "Date" | "Null" | "String" }
  | { readonly kind: "Float16" | "Float32" | "Float64" }
  | { readonly kind: "Int8" | "Int16" | "Int32" | "Int64" | "UInt8" | "UInt16" | "UInt32" | "UInt64" }
  | { readonly kind: "Decimal"; readonly precision: number; readonly scale: number }
  | { readonly kind: "Duration" | "Time"; readonly unit?: TimeUnit }
  | { readonly kind: "Timestamp"; readonly unit?: TimeUnit; readonly timezone?: string }
  | { readonly kind: "List"; readonly itemType: DataType; readonly fixedLength?: number }
  | { readonly kind: "Map"; readonly keyType: DataType; readonly valueType: DataType; readonly keysSorted?: boolean }
  | { readonly kind: "Option"; readonly inner: DataType }
  | { readonly kind: "Struct"; readonly fields: readonly DataField[] };

export interface DataField {
  readonly name: string;
  readonly type: DataType;
  readonly extra?: Extra;
}

/** Every column of a slice, the system columns included. */
export interface DataSchema {
  readonly fields: readonly DataField[];
  readonly extra?: Extra;
}

const extra = z.record(z.string(), z.unknown());
const unit = z.enum(timeUnits).exactOptional();
const length = z.int().min(0).exactOptional();

/** Parses a type from its JSON, as an index or a mirror holds it. */
export const dataType: z.ZodType<DataType> = z.lazy(() =>
  z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("Binary"), fixedLength: length }),
    z.object({ kind: z.enum(["Bool", "Date", "Null", "String"]) }),
    z.object({ kind: z.enum(["Float16", "Float32", "Float64"]) }),
    z.object({ kind: z.enum(["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64"]) }),
    z.object({ kind: z.literal("Decimal"), precision: z.int(), scale: z.int() }),
    z.object({ kind: z.enum(["Duration", "Time"]), unit }),
    z.object({ kind: z.literal("Timestamp"), unit, timezone: z.string().exactOptional() }),
    z.object({ kind: z.literal("List"), itemType: dataType, fixedLength: length }),
    z.object({
      kind: z.literal("Map"),
      keyType: dataType,
      valueType: dataType,
      keysSorted: z.boolean().exactOptional(),
    }),
    z.object({ kind: z.literal("Option"), inner: dataType }),
    z.object({ kind: z.literal("Struct"), fields: z.array(dataField) }),
  ]),
);

export const dataField: z.ZodType<DataField> = z.lazy(() =>
  z.object({ name: z.string(), type: dataType, extra: extra.exactOptional() }),
);

export const dataSchema: z.ZodType<DataSchema> = z.object({ fields: z.array(dataField), extra: extra.exactOptional() });
